"""The angle slider: what its parts show for an angle, without a browser."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn as nn
from PIL import Image
from torchvision.transforms.functional import rotate

from dl1.errors import CourseError
from dl1.rotation.widgets.angle_slider import AngleSlider, angle_slider, probabilities, show_angles

CLASSES = ("left", "<b>right</b>")


class BrightHalf(nn.Module):
    """Class 0 if the left half is brighter; refuses to work in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def forward(self, x):
        assert not self.training
        return self.sharpness * torch.stack([x[..., :16].mean((1, 2, 3)), x[..., 16:].mean((1, 2, 3))], dim=1)


@pytest.fixture
def slider():
    images = torch.zeros(3, 3, 32, 32)
    images[:, :, :, 20:28] = 1
    return AngleSlider({"a & b": BrightHalf(), "other": BrightHalf()}, images, torch.tensor([1, 0, 1]), CLASSES)


def shown(slider: AngleSlider) -> np.ndarray:
    code = re.search(r"base64,([A-Za-z0-9+/=]+)", slider.picture.value)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))


def percents(slider: AngleSlider) -> list[str]:
    return re.findall(r"(\d+%)</td>", slider.bars.value)


def test_picture_and_bars_follow_the_angle(slider):
    before = percents(slider)
    assert before[2:] == before[2:3] * 2
    assert int(before[2][:-1]) > 90
    slider.slider.value = 180
    assert percents(slider) == before[2:] + before[:2]
    expected = (rotate(slider.images[0], 180.0) * 255).byte().permute(1, 2, 0)
    assert torch.equal(torch.as_tensor(shown(slider).copy()), expected)
    assert 'alt="&lt;b&gt;right&lt;/b&gt;, turned by 180 degrees"' in slider.picture.value


def test_another_image(slider):
    slider.choice.value = 1
    assert "left, turned by 0 degrees" in slider.picture.value
    slider.choice.value = 17
    assert slider.choice.value == 2


def test_names_are_text_and_not_markup(slider):
    assert "<b>right" not in slider.bars.value
    assert "a &amp; b" in slider.bars.value


def test_modes_and_gradients_are_left_alone():
    model = BrightHalf().train()
    found = probabilities({"m": model}, torch.rand(3, 32, 32))
    assert model.training
    assert model.sharpness.grad is None
    assert sum(found["m"]) == pytest.approx(1)


def test_figure_for_print():
    image = torch.zeros(3, 32, 32)
    image[:, :, 20:28] = 1
    figure = show_angles({"m": BrightHalf()}, image, "right", CLASSES, angles=(0, 180))
    assert [axis.get_title() for axis in figure.axes[:2]] == ["0°", "180°"]
    first, second = ([bar.get_width() for bar in axis.patches] for axis in figure.axes[2:])
    assert first == pytest.approx(second[::-1])
    assert first[1] > 0.9
    plt.close("all")


@pytest.mark.parametrize("word", ["", "autograde"])
def test_a_slider_only_where_somebody_can_move_it(monkeypatch, word):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    images = torch.rand(2, 3, 32, 32)
    angle_slider({"m": BrightHalf()}, images, torch.tensor([0, 1]), CLASSES)
    assert len(displayed) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1
    plt.close("all")


@pytest.mark.parametrize(
    ("models", "images", "labels"),
    [
        ({}, torch.rand(2, 3, 8, 8), torch.zeros(2)),
        ({"m": BrightHalf()}, torch.rand(3, 8, 8), torch.zeros(3)),
        ({"m": BrightHalf()}, torch.rand(2, 3, 8, 8), torch.zeros(3)),
    ],
)
def test_what_does_not_fit_together_is_refused(models, images, labels):
    with pytest.raises(CourseError, match=r"images \(N, 3, H, W\), as many labels, and one to four models"):
        angle_slider(models, images, labels, CLASSES)
