"""What the demo of static attention claims: GAT's rows rank the keys alike, GATv2's find their own."""

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F

from dl1.graphs.static_attention import KEYS, compare_scores, trained_attention

pytestmark = pytest.mark.usefixtures("one_thread")


def gat(pairs, a):
    return F.leaky_relu((pairs * a).sum(dim=(-2, -1)), negative_slope=0.2)


def gatv2(pairs, a):
    return (F.leaky_relu(pairs.sum(dim=-2), negative_slope=0.2) * a[0]).sum(dim=-1)


def test_every_query_of_gat_ranks_the_keys_in_one_order():
    attention = trained_attention(gat)
    # Where two keys of one row differ by more than rounding, they do so in the same direction in all rows.
    difference = attention[:, :, None] - attention[:, None]  # (queries, keys, keys)
    above, below = (difference > 1e-4).any(0), (difference < -1e-4).any(0)
    assert not (above & below).any()
    assert attention.max() < 0.5


def test_each_query_of_gatv2_finds_its_key():
    assert (trained_attention(gatv2).diagonal() > 0.9).all()


def test_the_figure_says_how_many_do():
    figure = compare_scores({"GATv2": gatv2})
    assert figure.axes[0].get_title() == f"GATv2: {KEYS} of {KEYS} find their key"
    plt.close(figure)


def test_the_notebooks_random_numbers_are_untouched():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trained_attention(gat)
    assert torch.equal(torch.rand(1), expected)
