"""Angle slider: a rotated image and what several models make of it, live."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import ipywidgets
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from matplotlib.figure import Figure
from PIL import Image
from torchvision.transforms.functional import rotate

from dl1.errors import CourseError
from dl1.notebook import runs

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_SIDE = 224
_STEP = 5


@torch.no_grad()
def probabilities(models: Mapping[str, nn.Module], image: torch.Tensor) -> dict[str, list[float]]:
    """What each model, in eval mode, thinks of an image (3, H, W): a probability for every class."""
    found = {}
    for name, model in models.items():
        was_training = model.training
        model.eval()
        try:
            place = next(model.parameters()).device
            found[name] = model(image[None].to(place))[0].float().softmax(-1).cpu().tolist()
        finally:
            model.train(was_training)
    return found


def angle_slider(
    models: Mapping[str, nn.Module],
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
) -> None:
    """Show a slider for the angle (drag it, or use the arrow keys), a play button, and the next image.

    Below stands a figure of four angles for print. Where no one can move a slider, in a notebook that nbgrader runs,
    there is only the figure.

    Args:
        models: one to four, by name; from (B, 3, H, W) to logits (B, classes).
        images: (N, 3, H, W), values in [0, 1].
        labels: (N,), int64.
        classes: names.

    Raises:
        CourseError: the sizes don't fit together.
    """
    if images.ndim != 4 or len(images) != len(labels) or not 0 < len(models) <= len(_COLOURS):
        raise CourseError("angle_slider needs images (N, 3, H, W), as many labels, and one to four models")
    if not runs.is_rerun():
        # Imported here, because without a front end there is nothing to display in.
        from IPython.display import display

        display(AngleSlider(models, images, labels, classes).box)
    show_angles(models, images[0], classes[int(labels[0])], classes)
    plt.show()


class AngleSlider:
    """The widget and its parts.

    Attributes:
        slider: angle in degrees, counter-clockwise.
        choice: number of the image.
        picture, bars: what they show.
        box: all of it.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        images: torch.Tensor,
        labels: torch.Tensor,
        classes: Sequence[str],
    ) -> None:
        self.models, self.images, self.labels, self.classes = dict(models), images, labels, list(classes)
        play = self._make_controls()
        self.picture = ipywidgets.HTML()
        self.bars = ipywidgets.HTML()
        for control in (self.slider, self.choice):
            control.observe(self._show, names="value")
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HBox([play, self.slider, self.choice]),
                ipywidgets.HBox([self.picture, self.bars], layout={"align_items": "center"}),
            ]
        )
        self._show()

    def _make_controls(self) -> ipywidgets.Play:
        """Slider and choice of the image; the button that moves the slider is returned."""
        self.slider = ipywidgets.IntSlider(
            value=0, min=0, max=360, step=_STEP, description="angle (°)", layout={"width": "420px"}
        )
        play = ipywidgets.Play(value=0, min=0, max=360, step=_STEP, interval=250, description="turn the image")
        ipywidgets.jslink((play, "value"), (self.slider, "value"))
        self.choice = ipywidgets.BoundedIntText(
            value=0, min=0, max=len(self.images) - 1, description="image", layout={"width": "160px"}
        )
        return play

    def _show(self, change: object = None) -> None:
        number, angle = self.choice.value, self.slider.value
        turned = rotate(self.images[number], float(angle))  # (3, H, W)
        name = self.classes[int(self.labels[number])]
        self.picture.value = _image_html(turned, f"{name}, turned by {angle} degrees")
        self.bars.value = _bars_html(probabilities(self.models, turned), self.classes, int(self.labels[number]))


def show_angles(
    models: Mapping[str, nn.Module],
    image: torch.Tensor,
    name: str,
    classes: Sequence[str],
    angles: Sequence[float] = (0, 45, 90, 180),
) -> Figure:
    """The image at some angles, and below it each model's probability for every class."""
    figure, axes = plt.subplots(2, len(angles), figsize=(3.0 * len(angles), 5.6), layout="constrained", squeeze=False)
    height = 0.8 / len(models)
    for column, angle in enumerate(angles):
        turned = rotate(image, float(angle))
        axes[0, column].imshow(turned.permute(1, 2, 0).clamp(0, 1).cpu())  # (3, H, W) -> (H, W, 3)
        axes[0, column].set(title=f"{angle}°", xticks=[], yticks=[])
        for number, (model, shares) in enumerate(probabilities(models, turned).items()):
            places = [place + (number - (len(models) - 1) / 2) * height for place in range(len(classes))]
            axes[1, column].barh(places, shares, height, color=_COLOURS[number], label=model)
        axes[1, column].set(
            xlim=(0, 1),
            xticks=[0, 0.5],
            xlabel="probability",
            ylim=(len(classes) - 0.4, -0.6),
            yticks=range(len(classes)),
        )
        axes[1, column].set_yticklabels(classes if column == 0 else [], fontsize=8)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=len(models))
    figure.suptitle(f"What the models see in a turned picture: {name}")
    return figure


def _image_html(image: torch.Tensor, description: str) -> str:
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()  # (H, W, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    code = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{html.escape(description)}" width="{_SIDE}" height="{_SIDE}" '
        f'style="image-rendering: pixelated; margin: 8px" src="data:image/png;base64,{code}">'
    )


def _bars_html(found: Mapping[str, Sequence[float]], classes: Sequence[str], label: int) -> str:
    """A table with a row per class and a bar per model; numbers beside the bars, so that colour is never alone."""
    head = "".join(
        f'<th style="text-align:left;color:{colour};padding:0 8px">{html.escape(name)}</th>'
        for name, colour in zip(found, _COLOURS, strict=False)
    )
    rows = []
    for number, name in enumerate(classes):
        weight = "bold" if number == label else "normal"
        cells = "".join(
            f'<td style="padding:0 8px;white-space:nowrap"><span style="display:inline-block;height:11px;'
            f'width:{120 * shares[number]:.0f}px;background:{colour}"></span> {shares[number]:.0%}</td>'
            for shares, colour in zip(found.values(), _COLOURS, strict=False)
        )
        rows.append(f'<tr><td style="font-weight:{weight};padding:0 8px">{html.escape(name)}</td>{cells}</tr>')
    return (
        '<table style="line-height:1.35;min-width:430px"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
