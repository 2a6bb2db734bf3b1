import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.graphs.attention_weights import attention_weights

EDGES = torch.tensor([[0, 1, 2], [1, 0, 1]])
LOOPS = torch.arange(3).expand(2, -1)
ALL = torch.cat([EDGES, LOOPS], dim=1)
WEIGHTS = torch.tensor([0.25, 0.5, 0.25, 0.5, 0.5, 1.0])


class Says(nn.Module):
    """Gives a fixed debug output; refuses to work in training mode."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x, edge_index, debug=False):
        assert not self.training
        if isinstance(self.output, Exception):
            raise self.output
        return self.output if debug else x


def says(edges=ALL, attention=WEIGHTS, **other):
    return Says((torch.ones(3, 2), {"edge_index": edges, "attention": attention, **other}))


def test_weights_in_any_order_and_as_a_column():
    order = torch.tensor([5, 2, 0, 3, 1, 4])
    layer = says(ALL[:, order], WEIGHTS[order][:, None].requires_grad_(), scores="more is no harm")
    edges, weights = attention_weights(layer, torch.ones(3, 2), EDGES)
    assert torch.equal(edges, ALL[:, order])
    assert weights.tolist() == WEIGHTS[order].tolist()
    assert not weights.requires_grad
    assert layer.training


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Says(torch.ones(3, 2)), "gave a Tensor in place of a pair"),
        (Says((torch.ones(3, 2), {"edge_index": ALL})), "has no tensor 'attention'"),
        (Says((1, {})), "no tensor 'edge_index' and no tensor 'attention'"),
        (says(attention=WEIGHTS.tolist()), "has no tensor 'attention'"),
        (says(edges=ALL.float()), "is torch.float32"),
        (says(attention=WEIGHTS[:-1]), "has 6 edges, and each needs one weight"),
        (says(EDGES, WEIGHTS[:3]), "one self-loop for each of the 3 nodes; it holds 3 edges, 0 of them self-loops"),
        (says(ALL.flip(0)), "should hold the 3 given edges"),
        (says(ALL + 1), "should hold the 3 given edges"),
        (says(attention=2 * WEIGHTS), r"sum to 1 at each destination; at node 0 the sum is 2"),
        (says(attention=WEIGHTS * torch.nan), "the sum is nan"),
        (says(attention=WEIGHTS + torch.tensor([0, -0.75, 0, 0.75, 0, 0])), "weights of at least 0"),
        (Says(TypeError("unexpected\n  keyword 'debug'")), "stopped with TypeError: unexpected keyword 'debug'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(layer, words):
    with pytest.raises(CourseError, match=words) as caught:
        attention_weights(layer, torch.ones(3, 2), EDGES)
    assert "\n" not in str(caught.value)
    assert layer.training


def test_an_unfinished_layer_says_so_itself():
    with pytest.raises(NotImplementedError):
        attention_weights(Says(NotImplementedError()), torch.ones(3, 2), EDGES)
