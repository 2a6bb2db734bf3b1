import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.padding.convolution_drawing import draw_step
from dl1.padding.convolution_terms import EXAMPLE_IMAGE, EXAMPLE_KERNEL, MODES

IMAGE, KERNEL = torch.tensor(EXAMPLE_IMAGE), torch.tensor(EXAMPLE_KERNEL)
PLACES = [(row, column) for row in range(1, 6) for column in range(1, 6)]


def panel(figure, label):
    (axis,) = [axis for axis in figure.axes if axis.get_label() == label]
    return axis


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def places(axis, label) -> set[tuple[int, int]]:
    """Row and column of the cells with a label."""
    corners = [patch.get_xy() for patch in axis.patches if patch.get_label() == label]
    return {(round(y + 0.5), round(x + 0.5)) for x, y in corners}


def frame(axis, label) -> tuple[float, float, float]:
    (patch,) = [patch for patch in axis.patches if patch.get_label() == label]
    return (*patch.get_xy(), patch.get_width())


def sum_line(figure) -> str:
    (text,) = [text.get_text() for text in figure.texts if text.get_label() == "sum"]
    return text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_step(IMAGE, KERNEL, 1, 6, "zeros"), r"no place \(1, 6\)"),
        (lambda: draw_step(torch.ones(9, 2), KERNEL, 1, 1, "zeros"), "9×2 is too large"),
        (lambda: draw_step(IMAGE, torch.ones(5, 5), 1, 1, "zeros"), "kernel has shape"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(call, words):
    with pytest.raises(CourseError, match=words):
        call()


def test_missing_pixels_are_grey_and_their_products_struck():
    figure = draw_step(IMAGE, KERNEL, 1, 1, "valid")
    image, listed, result = (panel(figure, label) for label in ("image", "products", "f"))
    ring = {(row, column) for row in range(7) for column in range(7)} - set(PLACES)
    assert places(image, "missing") == ring
    assert places(image, "pixel") == set(PLACES)
    assert frame(image, "window") == (-0.5, -0.5, 3)
    rows = [text for text in listed.texts if "=" in text.get_text()]
    assert [row.get_text() for row in rows[1:3]] == ["g₂,₁·h₋,₀ = 9·2 = 18", "g₂,₀·h₋,₊ = ?·3"]
    struck = {float(line.get_ydata()[0]) for line in listed.lines if line.get_label() == "struck"}
    assert struck == {row.get_position()[1] for row in rows if "?" in row.get_text()}
    assert len(struck) == 5
    assert texts(listed).count("missing") == 5
    assert places(result, "missing") == {place for place in PLACES if 1 in place or 5 in place}
    assert places(result, "computed") == set()
    assert frame(result, "present") == (0.5, 0.5, 1)
    assert texts(result) == ["?"]
    assert sum_line(figure) == "f₁,₁ can't be computed: g₂,₀, g₁,₀, g₀,₂, g₀,₁, g₀,₀ are missing"


def test_the_products_are_written_out():
    figure = draw_step(IMAGE, KERNEL, 2, 3, "valid")
    assert texts(panel(figure, "products"))[::2][:3] == [
        "g₃,₄·h₋,₋ = 7·1 = 7",
        "g₃,₃·h₋,₀ = 9·2 = 18",
        "g₃,₂·h₋,₊ = 8·3 = 24",
    ]
    assert sum_line(figure) == "f₂,₃ = 7 + 18 + 24 − 5 + 3 − 4 + 4 − 12 − 4 = 31"
    assert texts(panel(figure, "h")) == ["1", "2", "3", "−1", "0.5", "−2", "4", "−3", "−4"]


def test_the_window_shows_the_turned_kernel():
    image = panel(draw_step(IMAGE, KERNEL, 3, 3, "zeros"), "image")
    weights = {
        (round(text.get_position()[1] - 0.27), round(text.get_position()[0])): text.get_text()
        for text in image.texts
        if text.get_text().startswith("×")
    }
    assert [weights[row, column] for row in (2, 3, 4) for column in (2, 3, 4)] == [
        *("×−4", "×−3", "×4"),
        *("×−2", "×0.5", "×−1"),
        *("×3", "×2", "×1"),
    ]


def test_padded_pixels_look_different_and_say_where_they_come_from():
    figure = draw_step(IMAGE, KERNEL, 1, 2, "reflect")
    image, listed, result = (panel(figure, label) for label in ("image", "products", "f"))
    assert places(image, "missing") == set()
    assert len(places(image, "padded")) == 24
    (padded_style,) = {p.get_linestyle() for p in image.patches if p.get_label() == "padded"}
    (inner_style,) = {p.get_linestyle() for p in image.patches if p.get_label() == "pixel"}
    assert padded_style != inner_style
    assert [text for text in texts(listed) if text.startswith("from")] == ["from g₂,₃", "from g₂,₂", "from g₂,₁"]
    assert len(listed.lines) == 0
    assert places(result, "computed") == {(1, 1), (1, 2)}
    assert texts(result) == ["−2.5", "9.5"]
    assert sum_line(figure).endswith("= 9.5   (3 of the nine values of g are padding)")


@pytest.mark.parametrize("mode", MODES)
def test_the_last_step_shows_all_of_f(mode):
    result = panel(draw_step(IMAGE, KERNEL, 5, 5, mode), "f")
    padding = {"padding": 0} if mode == "valid" else {"padding": 1, "padding_mode": mode}
    layer = nn.Conv2d(1, 1, 3, bias=False, **padding)
    # The layer doesn't turn the kernel, a convolution does.
    layer.load_state_dict({"weight": KERNEL.flip(0, 1)[None, None]})
    shown = [float(text.replace("−", "-")) for text in texts(result) if text != "?"]
    # All of them are multiples of 1/2, and written with two decimals.
    assert shown == layer(IMAGE[None, None]).flatten().tolist()


@pytest.mark.parametrize("scale", [1.0, 1234.5678, 1e-3])
@pytest.mark.parametrize("size", [5, 8])
def test_long_numbers_stay_in_their_place(scale, size):
    generator = torch.Generator().manual_seed(1)
    image, kernel = torch.randn(size, size, generator=generator) * scale, torch.randn(3, 3, generator=generator)
    figure = draw_step(image, kernel, size, size, "replicate")
    figure.canvas.draw()
    for label, count in (("image", size + 2), ("f", size)):
        axis = panel(figure, label)
        cell = axis.get_window_extent().width / (count + 0.1)
        for text in axis.texts:
            assert text.get_window_extent().width < cell, text.get_text()
    listed = panel(figure, "products")
    for words, note in zip(listed.texts[:-1], listed.texts[1:], strict=True):
        if words.get_position()[1] == note.get_position()[1]:
            assert words.get_window_extent().x1 < note.get_window_extent().x0
    (line,) = figure.texts
    assert line.get_window_extent().x1 < figure.bbox.width


def test_the_input_is_left_alone():
    image, kernel = IMAGE.clone().requires_grad_(), KERNEL.clone().requires_grad_()
    draw_step(image, kernel, 1, 1, "circular")
    assert torch.equal(image, IMAGE)
    assert torch.equal(kernel, KERNEL)
