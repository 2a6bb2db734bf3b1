import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from dl1.pictures import AGREES, DIFFERS, compare, heat_map

EXPECTED = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def draw(monkeypatch):
    """Draws a comparison and gives its axes."""
    monkeypatch.setattr(plt, "show", lambda: None)

    def draw(yours, **options):
        compare({"x": torch.ones(3)}, EXPECTED, yours, **options)
        return plt.gcf().axes

    yield draw
    plt.close("all")


def frames(axis) -> list[tuple[float, float]]:
    return [patch.get_xy() for patch in axis.patches if isinstance(patch, Rectangle)]


def test_input_expected_and_yours_stand_side_by_side(draw):
    axes = draw(lambda: EXPECTED.clone(), title="Sums", rows="token", columns="channel")
    assert [axis.get_title() for axis in axes] == ["x", "expected", "yours: the same"]
    assert axes[2].title.get_color() == AGREES
    assert frames(axes[2]) == []
    assert (axes[2].get_ylabel(), axes[2].get_xlabel()) == ("token", "channel")
    assert plt.gcf().get_suptitle() == "Sums"


def test_numbers_that_differ_are_framed(draw):
    axes = draw(lambda: torch.tensor([[1.0, 2.0], [3.5, 4.00001]]))
    assert axes[2].get_title() == "yours: 1 of 4 differ"
    assert axes[2].title.get_color() == DIFFERS
    assert frames(axes[2]) == [(-0.5, 0.5)]


def unfinished():
    raise NotImplementedError()


def broken():
    raise IndexError("no $such$ thing " * 50)


@pytest.mark.parametrize(
    ("yours", "words"),
    [
        (unfinished, ["nothing yet", "`unfinished`"]),
        (broken, ["IndexError", "…"]),
        (lambda: torch.ones(2), ["shape (2,),", "(2, 2)"]),
        (lambda: [1, 2], ["a list"]),
        (lambda: None, ["NoneType"]),
        (lambda: EXPECTED * float("nan"), ["infinite or NaN"]),
        (lambda: torch.ones(2, 2, dtype=torch.complex64) * float("inf"), ["infinite or NaN"]),
    ],
)
def test_whatever_goes_wrong_is_a_text_in_its_panel(draw, yours, words):
    axes = draw(yours)
    (text,) = [text.get_text() for text in axes[2].texts]
    for word in words:
        assert word in text.replace("\n", " "), text
    assert axes[2].get_title() == "yours"
    plt.gcf().canvas.draw()


def test_randomness_of_the_notebook_is_untouched(draw):
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    draw(lambda: torch.rand(2, 2))
    assert torch.equal(torch.rand(2), expected)


def test_a_heat_map_writes_few_numbers_and_not_many():
    _, (few, many) = plt.subplots(1, 2)
    heat_map(few, torch.tensor([[0.0, -1.25], [10.0, 0.5]]))
    heat_map(many, torch.rand(20, 20))
    assert [text.get_text() for text in few.texts] == ["0", "-1.25", "10", "0.5"]
    assert few.images[0].get_clim() == (-10.0, 10.0)
    assert many.texts == [] or len(many.texts) == 0
    plt.close("all")
