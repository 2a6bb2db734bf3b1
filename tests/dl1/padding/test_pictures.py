"""Figures of the padding experiment: what is drawn, and that it says when the experiment was smaller."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
import torch.nn as nn

from dl1.data.squares import squares
from dl1.padding.nets import CONV_TYPES, PADDING
from dl1.padding.pictures import accuracy_chart, border_maps, padded, show_samples


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_samples_are_of_the_set_and_class_that_they_stand_under():
    figure = show_samples(columns=3)
    for row, (split, label) in enumerate([("train", 0), ("train", 1), ("test", 0), ("test", 1)]):
        images, labels = squares(split)
        axes = figure.axes[3 * row : 3 * row + 3]
        assert axes[0].get_ylabel() == f"{split}\nclass {label}"
        for axis, image in zip(axes, images[labels == label], strict=False):
            assert torch.equal(torch.as_tensor(axis.images[0].get_array().data), image.permute(1, 2, 0))


def test_chart_shows_means_deviations_and_the_note():
    columns = ["validation mean", "validation std", "test mean", "test std"]
    table = pd.DataFrame([[100.0, 0.0, 7.0, 2.0], [87.0, 3.0, 84.0, 4.0]], ["sconv", "fconv"], columns)
    figure = accuracy_chart({"Net1": table, "Net2": table / 2}, note="quick profile")
    first, second = figure.axes
    assert [bar.get_height() for bar in first.patches] == [100.0, 87.0, 7.0, 84.0]
    assert [bar.get_height() for bar in second.patches] == [50.0, 43.5, 3.5, 42.0]
    ends = [segment[:, 1].tolist() for segment in first.containers[3].errorbar.lines[2][0].get_segments()]
    assert ends == [[5.0, 9.0], [80.0, 88.0]]
    assert [text.get_text() for text in first.get_xticklabels()] == ["sconv", "fconv"]
    assert "quick profile" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["validation", "test"]
    assert accuracy_chart({"Net1": table}).get_suptitle() == ""
    guessed = accuracy_chart({"Net1": table}, guesses={"Net1": {"fconv": 50.0}}).axes[0].collections[-1]
    assert guessed.get_label() == "your guess"
    assert guessed.get_offsets().tolist() == [[1.47, 50.0]]


def test_border_maps_show_the_square_at_the_border():
    image = squares("train")[0][0]
    figure = border_maps(image)
    assert [axis.get_title() for axis in figure.axes[: len(CONV_TYPES)]] == list(CONV_TYPES)
    moved = image.roll(-int(image.amax((0, 2)).argmax()), dims=1)
    assert moved[:, 0].sum() > 0
    for axis, conv_type in zip(figure.axes, CONV_TYPES, strict=False):
        drawn = torch.as_tensor(axis.images[0].get_array().data)
        assert torch.equal(drawn, padded(moved[None], conv_type)[0].permute(1, 2, 0))
        # The frame is the image's own outline.
        (frame,) = axis.patches
        assert frame.get_xy() == (PADDING[conv_type][1] - 0.5,) * 2
    for axis, rows in zip(figure.axes[len(CONV_TYPES) :], (6, 8, 10, 10, 10, 10), strict=True):
        assert axis.images[0].get_array().shape == (rows, rows)
        assert axis.get_xlabel() == f"{rows} × {rows}"


@pytest.mark.parametrize("conv_type", CONV_TYPES)
def test_padded_is_what_the_layer_reads(conv_type):
    mode, width = PADDING[conv_type]
    layer = nn.Conv2d(3, 2, 3, padding=width, padding_mode=mode, bias=False)
    x = torch.rand(2, 3, 8, 8)
    expected = layer(x)
    # Sums of 27 products in float32.
    torch.testing.assert_close(torch.nn.functional.conv2d(padded(x, conv_type), layer.weight), expected)
