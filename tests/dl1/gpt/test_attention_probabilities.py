import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.attention_probabilities import attention_probabilities, doubts


class Attention(nn.Module):
    """Two heads without weights of their own: scores are products of half the channels."""

    def __init__(self):
        super().__init__()
        self.debug, self.use_flash_attn = False, True

    def forward(self, x):
        if self.use_flash_attn:
            return x / 2
        assert not self.training
        q = x.unflatten(-1, (2, -1)).transpose(1, 2)  # (B, 2, T, C / 2)
        scores = q @ q.transpose(-2, -1)  # (B, 2, T, T)
        later = torch.ones_like(scores, dtype=torch.bool).triu(1)
        att_probs = scores.masked_fill(later, float("-inf")).softmax(-1)
        if self.debug:
            return self.inside(att_probs)
        return (att_probs @ q).transpose(1, 2).flatten(-2)

    def inside(self, att_probs):
        return {"att_probs": att_probs}


class Block(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.self_attention = attention

    def forward(self, x):
        return x + self.self_attention(2 * x)


class Model(nn.Module):
    block_size = 6

    def __init__(self, *layers):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 4)
        self.h = nn.ModuleList([Block(layer) for layer in layers])

    def forward(self, idx):
        x = self.embedding(idx)
        for block in self.h:
            x = block(x)
        return x


IDX = torch.tensor([[0, 3, 1, 4]])


def switches(model):
    return [(block.self_attention.debug, block.self_attention.use_flash_attn) for block in model.h]


def test_each_layer_shows_the_weights_of_what_it_got():
    model = Model(Attention(), Attention())
    found = attention_probabilities(model, IDX)
    assert found.shape == (2, 2, 4, 4)
    x = model.embedding(IDX).detach()[0]
    for layer in range(2):
        given = 2 * x
        outputs = []
        for head in range(2):
            q = given[:, 2 * head : 2 * head + 2]
            expected = torch.zeros(4, 4)
            for row in range(4):
                expected[row, : row + 1] = (q[: row + 1] @ q[row]).softmax(0)
            # A handful of float32 operations on numbers around 1.
            torch.testing.assert_close(found[layer, head], expected, rtol=1e-4, atol=1e-5)
            outputs.append(expected @ q)
        x = x + torch.cat(outputs, dim=1)


def test_switches_and_modes_are_left_as_they_were():
    model = Model(Attention(), Attention())
    model.h[0].self_attention.debug = True
    model.h[1].eval()
    modes = [part.training for part in model.modules()]
    attention_probabilities(model, IDX)
    assert switches(model) == [(True, True), (False, True)]
    assert [part.training for part in model.modules()] == modes
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_switches_are_restored_after_an_error():
    class Failing(Attention):
        def inside(self, att_probs):
            raise NotImplementedError("finish Question 2.2 first")

    model = Model(Attention(), Failing())
    with pytest.raises(CourseError, match="nothing to show yet: finish Question 2.2 first"):
        attention_probabilities(model, IDX)
    assert switches(model) == [(False, True)] * 2
    assert model.training


def test_a_layer_without_the_switch_gets_none():
    class Bare(nn.Module):
        def forward(self, x):
            return x

    model = Model(Bare())
    with pytest.raises(CourseError, match='layer 1 with debug=True should give a dict with "att_probs".*a Tensor'):
        attention_probabilities(model, IDX)
    assert not hasattr(model.h[0].self_attention, "debug")
    assert not hasattr(model.h[0].self_attention, "use_flash_attn")


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (lambda weights: {"q": weights}, "it gave a dict without it"),
        (lambda weights: {"att_probs": weights[0]}, r"shape \(2, 4, 4\), not \(1, n_head, 4, 4\)"),
        (lambda weights: {"att_probs": weights / 0}, "NaN or infinite"),
    ],
)
def test_another_output_is_refused(inside, words):
    layer = Attention()
    layer.inside = inside
    with pytest.raises(CourseError, match=words):
        attention_probabilities(Model(layer), IDX)


def test_a_model_without_such_layers_is_refused():
    with pytest.raises(CourseError, match="no attention to show: its blocks need a layer self_attention"):
        attention_probabilities(nn.Embedding(5, 4), IDX)


def test_a_shared_or_unused_layer_is_told():
    model = Model(Attention(), Attention())
    model.h[1].forward = lambda x: x
    with pytest.raises(CourseError, match="2 attention layers were called 1 times"):
        attention_probabilities(model, IDX)


def test_doubts_name_layer_and_head():
    weights = torch.full((2, 2, 3, 3), 1 / 3).tril()
    weights = weights / weights.sum(-1, keepdim=True)
    assert doubts(weights) == ""
    ahead = weights.clone()
    ahead[1, 0, 0] = torch.tensor([0.5, 0.5, 0.0])
    assert doubts(ahead) == "layer 2, head 1 looks at later characters"
    undivided = weights.clone()
    undivided[0, 1, 2] = torch.tensor([0.2, 0.2, 0.2])
    assert doubts(undivided) == "weights of a row of layer 1, head 2 don't sum to 1"
