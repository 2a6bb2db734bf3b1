import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from dl1.notebook.pictures import AGREES, DIFFERS, compare, heat_map

EXPECTED = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def draw(monkeypatch):
    """Draws a comparison as a notebook would, pixels included, and gives its axes."""
    shown = []

    def show():
        plt.gcf().canvas.draw()
        shown.append(plt.gcf())

    monkeypatch.setattr(plt, "show", show)

    def draw(yours, expected=EXPECTED, **options):
        compare({"x": torch.ones(3)}, expected, yours, **options)
        return shown[-1].axes

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
    assert axes[0].figure.get_suptitle() == "Sums"


def test_numbers_that_differ_are_framed(draw):
    axes = draw(lambda: torch.tensor([[1.0, 2.0], [3.5, 4.00001]]))
    assert axes[2].get_title() == "yours: 1 of 4 differ"
    assert axes[2].title.get_color() == DIFFERS
    assert frames(axes[2]) == [(-0.5, 0.5)]
    axes = draw(lambda: -EXPECTED)
    assert axes[2].get_title() == "yours: 4 of 4 differ"
    assert sorted(frames(axes[2])) == [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)]
    # Expected and yours have one colour scale; the other panel has its own.
    assert axes[1].images[0].get_clim() == axes[2].images[0].get_clim() == (0.0, 4.0)
    assert axes[0].images[0].get_clim() == (0.0, 1.0)


def test_the_tolerance_is_absolute(draw):
    yours = EXPECTED + torch.tensor([[0.0, 0.09], [0.11, 0.0]])
    assert frames(draw(lambda: yours, tolerance=0.1)[2]) == [(-0.5, 0.5)]
    precise = EXPECTED.double() + 1e-9
    assert len(frames(draw(lambda: precise, EXPECTED.double(), tolerance=1e-10)[2])) == 4


@pytest.mark.parametrize(
    "yours",
    [
        lambda: EXPECTED.int(),
        lambda: EXPECTED.double(),
        lambda: EXPECTED.to(torch.bfloat16),
        lambda: torch.nn.Parameter(EXPECTED.clone()),
        lambda: EXPECTED.T.contiguous().T,
        lambda: EXPECTED.clone().requires_grad_() * 1,
    ],
)
def test_other_forms_of_the_right_numbers_are_the_same(draw, yours):
    assert draw(yours)[2].get_title() == "yours: the same"


@pytest.mark.parametrize("shape", [(2, 2), (1, 5), (12, 3), (30, 40)])
def test_all_cells_of_a_comparison_have_one_size(draw, shape):
    expected = torch.ones(shape)
    axes = draw(lambda: expected.clone(), expected)
    sizes = [axis.transData.transform((1, 1)) - axis.transData.transform((0, 0)) for axis in axes]
    for across, up in sizes:
        # Pixels; a vector's cells are as large as a matrix's, and square.
        assert abs(across - sizes[0][0]) < 0.5
        assert abs(across + up) < 0.5


def test_an_input_of_the_same_shape_has_the_names_of_the_axes(draw):
    axes = draw(lambda: torch.ones(3), torch.ones(1, 3), rows="token", columns="channel")
    assert [(axis.get_ylabel(), axis.get_xlabel()) for axis in axes[:2]] == [("token", "channel")] * 2
    axes = draw(lambda: EXPECTED, rows="token", columns="channel")
    assert axes[0].get_xlabel() == ""


def test_vectors_are_rows(draw):
    axes = draw(lambda: torch.tensor([1.0, 5.0, 3.0]), torch.tensor([1.0, 2.0, 3.0]))
    assert frames(axes[2]) == [(0.5, -0.5)]


def test_probabilities_are_bars_and_what_was_cut_is_said(draw):
    right = torch.tensor([0.0, 0.625, 0.0, 0.375])
    axes = draw(lambda: torch.tensor([0.2, 0.5, 0.0, 0.3]), right, bars=True, columns="token")
    assert [[bar.get_height() for bar in axis.patches] for axis in axes[1:]] == [
        pytest.approx(right.tolist()),
        pytest.approx([0.2, 0.5, 0.0, 0.3]),
    ]
    assert [text.get_text() for text in axes[1].texts] == ["cut", "0.625", "cut", "0.375"]
    assert axes[2].get_title() == "yours: 3 of 4 differ"
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in axes[2].patches]
    assert colours == [DIFFERS, DIFFERS, AGREES, DIFFERS]
    assert axes[1].get_ylim() == axes[2].get_ylim()
    assert (axes[2].get_xlabel(), axes[0].get_xlabel()) == ("token", "")


def test_a_problem_takes_the_place_of_bars(draw):
    axes = draw(unfinished, torch.tensor([0.5, 0.5]), bars=True)
    assert "nothing yet" in axes[2].texts[0].get_text()
    assert list(axes[2].patches) == []


def test_code_that_changes_its_input_is_compared_with_what_was_expected(draw):
    stream = EXPECTED.clone()

    def in_place():
        stream.mul_(2)
        return stream

    axes = draw(in_place, stream)
    assert axes[2].get_title() == "yours: 4 of 4 differ"
    assert [text.get_text() for text in axes[1].texts] == ["1", "2", "3", "4"]


def unfinished():
    raise NotImplementedError()


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def raises(error):
    raise error


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
        (lambda: EXPECTED * float("inf"), ["infinite or NaN"]),
        (lambda: EXPECTED + 1j, ["complex64", "expected torch.float32"]),
        (lambda: EXPECTED.to_sparse(), ["can't be drawn"]),
        (lambda: EXPECTED.to("meta"), ["can't be drawn"]),
        (lambda: torch.ones(1, 2, 2), ["shape (1, 2, 2), expected (2, 2)"]),
        (lambda: torch.ones(2, 1), ["shape (2, 1), expected (2, 2)"]),
        (lambda: torch.tensor(1.0), ["shape (), expected (2, 2)"]),
        (lambda: torch.zeros(0, 2), ["shape (0, 2)"]),
        (lambda: EXPECTED.numpy(), ["a ndarray"]),
        (lambda: raises(ValueError("$" * 200)), ["ValueError", "$$$"]),
        (lambda: raises(ValueError("$\\frac{$")), ["ValueError: $\\frac{$"]),
        (lambda: raises(NotImplementedError("finish $x_$ first")), ["nothing yet: finish $x_$ first"]),
        (lambda: raises(KeyError()), ["KeyError"]),
        (lambda: raises(Unreadable()), ["Unreadable: (its text can't be made)"]),
        (lambda: Unreadable, ["a type"]),
    ],
)
def test_whatever_goes_wrong_is_a_text_in_its_panel(draw, yours, words):
    axes = draw(yours)
    (text,) = [text.get_text() for text in axes[2].texts]
    for word in words:
        assert word in text.replace("\n", " "), text
    assert axes[2].get_title() == "yours"
    assert axes[2].texts[0].get_color() == DIFFERS
    assert len(axes[2].images) == 0
    assert frames(axes[2]) == []


def test_only_an_interruption_stops_the_notebook(draw):
    with pytest.raises(KeyboardInterrupt):
        draw(lambda: raises(KeyboardInterrupt()))


def test_many_pictures_do_not_pile_up(recwarn):
    before = plt.get_fignums()
    for _ in range(3):
        compare({}, EXPECTED, lambda: EXPECTED)
    assert plt.get_fignums() == before
    assert [str(warning.message) for warning in recwarn if "figures have been opened" in str(warning.message)] == []


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
    assert len(many.texts) == 0
    plt.close("all")


def test_written_numbers_are_short():
    _, axis = plt.subplots()
    heat_map(axis, torch.tensor([-0.0, -0.001, 100.0, 9999.99, -12345.0, 1e30, 0.125]))
    assert [text.get_text() for text in axis.texts] == ["0", "0", "100", "9999.99", "-1e+04", "1e+30", "0.12"]
    plt.close("all")


def test_a_matrix_of_zeros_has_a_colour_range():
    _, axis = plt.subplots()
    heat_map(axis, torch.zeros(2, 2))
    assert axis.images[0].get_clim() == (0.0, 1.0)
    plt.close("all")
