"""Scores of heads, with attention whose weights are known."""

import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.head_roles import largest, mean_weight, removal, token_losses, without_head


class Attention(nn.Module):
    """Two heads: one looks at the token before, one at itself."""

    def __init__(self):
        super().__init__()
        self.debug, self.n_head, self.c_proj = False, 2, nn.Identity()

    def forward(self, x):
        length = x.shape[1]
        before = torch.eye(length).roll(-1, 1).tril()
        before[0, 0] = 1.0
        weights = torch.stack([before, torch.eye(length)])[None]  # (1, 2, T, T)
        if self.debug:
            return {"att_probs": weights.expand(len(x), -1, -1, -1)}
        return self.c_proj((weights @ x.unflatten(-1, (2, -1)).transpose(1, 2)).transpose(1, 2).flatten(-2))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attention, self.weight = Attention(), nn.Parameter(torch.eye(4))

    def forward(self, idx):
        return self.self_attention(self.weight[idx])


def test_the_weight_on_a_place_before_is_read_off_the_diagonal():
    idx = torch.tensor([[0, 1, 2, 3, 0, 1]])
    assert mean_weight(Model(), idx, 1).tolist() == [[1.0, 0.0]]
    assert mean_weight(Model(), idx, 2).tolist() == [[0.0, 0.0]]


def test_a_head_is_removed_by_zeros_in_its_own_part():
    model, idx = Model(), torch.tensor([[2, 3]])
    with torch.no_grad(), without_head(model, 0, 1):
        assert model(idx)[..., 2:].abs().max() == 0
    with torch.no_grad(), without_head(model, 0, 0):
        assert model(idx)[..., 2:].abs().max() == 1
    losses = removal(model, (1, 2), lambda: token_losses(model, torch.tensor([[2, 2, 2]])).mean().item())
    # The second head alone knows the token 2.
    assert losses[0, 1] > losses[0, 0]
    for layer, head in ((0, 2), (1, 0)):
        with pytest.raises(CourseError, match="no layer"), without_head(model, layer, head):
            pass


def test_the_largest_is_named_by_layer_and_head():
    assert largest(torch.tensor([[0.1, 0.2], [0.9, 0.3]])) == (1, 0)
