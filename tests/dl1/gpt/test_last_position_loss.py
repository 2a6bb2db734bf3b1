"""The loss of a model that never sees the token it is scored on."""

import math

import pytest
import torch

from dl1.errors import CourseError
from dl1.gpt.last_position_loss import last_position_loss, logits_after, position_losses, spread_positions


def test_positions_are_spread_over_all_that_have_a_context():
    positions = spread_positions(1_000, 64, 9)
    assert positions.dtype == torch.int64
    assert positions.tolist() == [116, 220, 324, 428, 532, 636, 740, 844, 948]
    assert spread_positions(10_064, 64, 100, shift=0.0)[[0, -1]].tolist() == [64, 64 + 9_900]
    assert spread_positions(10_064, 64, 100, shift=1.0).max() == 10_063


def test_another_shift_gives_other_positions():
    first, second = (set(spread_positions(50_000, 64, 1_024, shift).tolist()) for shift in (0.5, 0.1))
    assert len(first) == len(second) == 1_024
    assert not first & second


def test_a_short_text_gives_each_position_once():
    assert spread_positions(10, 7, 1_000).tolist() == [7, 8, 9]
    with pytest.raises(CourseError, match="10 tokens has no position with a context of 10 before it"):
        spread_positions(10, 10, 5)


def test_the_model_sees_the_context_and_nothing_else():
    tokens, seen = torch.arange(100), []

    def watching(contexts):
        seen.extend(contexts.tolist())
        return torch.zeros(len(contexts), 100)

    losses = position_losses(watching, tokens, torch.tensor([4, 50, 99]), 4, batch_size=2)
    assert seen == [[0, 1, 2, 3], [46, 47, 48, 49], [95, 96, 97, 98]]
    # Every token is as likely as any other; float32 rounds the logarithm.
    torch.testing.assert_close(losses, torch.full((3,), math.log(100), dtype=torch.float64), rtol=1e-6, atol=0)


def test_loss_against_the_definition():
    torch.manual_seed(0)
    tokens, table = torch.randint(7, (500,)), torch.randn(7, 7)
    positions = spread_positions(500, 8, 200)
    expected = sum(-table[tokens[p - 1]].double().log_softmax(0)[tokens[p]].item() for p in positions.tolist()) / 200
    measured = last_position_loss(lambda contexts: table[contexts[:, -1]], tokens, positions, 8, batch_size=33)
    # Single losses are computed in float32.
    assert measured == pytest.approx(expected, rel=1e-6)


def test_looking_ahead_gains_nothing():
    """A model that knows each token of its input's next one is perfect inside a window, and lost at the last place."""
    tokens = torch.randint(7, (2_000,), generator=torch.Generator().manual_seed(0))

    def looks_ahead(idx):
        following = torch.cat([idx[:, 1:], torch.zeros_like(idx[:, :1])], 1)
        return 20.0 * torch.nn.functional.one_hot(following, 7).float()

    inside = torch.nn.functional.cross_entropy(looks_ahead(tokens[None])[0, :-1], tokens[1:]).item()
    assert inside < 1e-6
    positions = spread_positions(2_000, 16, 500)
    assert last_position_loss(logits_after(looks_ahead), tokens, positions, 16) > 10


@pytest.mark.parametrize(
    ("positions", "says"), [([3], "from block_size"), ([10], "from block_size"), ([], "no position to measure at")]
)
def test_impossible_positions_are_refused(positions, says):
    with pytest.raises(CourseError, match=says):
        last_position_loss(lambda contexts: torch.zeros(1, 2), torch.zeros(10).long(), torch.tensor(positions), 4)


def test_logits_of_all_positions_are_refused():
    with pytest.raises(CourseError, match=r"shape \(2, 4, 5\) for 2 contexts: it must give \(B, V\)"):
        last_position_loss(lambda contexts: torch.zeros(2, 4, 5), torch.zeros(10).long(), torch.tensor([5, 6]), 4)
