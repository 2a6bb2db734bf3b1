"""A convolution worked out step by step: a figure with controls that move the kernel and change the padding."""

from __future__ import annotations

from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure

from dl1.notebook.pictured_steps import PicturedSteps
from dl1.notebook.runs import is_rerun
from dl1.padding.convolution_drawing import DPI, draw, draw_step, make_figure
from dl1.padding.convolution_terms import (
    EXAMPLE_IMAGE,
    EXAMPLE_KERNEL,
    MODES,
    check_size,
    grid_of,
    in_words,
    note,
    sum_line,
    terms_at,
    weights_of,
)


class KernelStepper(PicturedSteps):
    """Moves the kernel over the image: as the last line of a cell it shows the figure with its controls.

    The output also holds the figure as an image, for prints and exports. Where nbgrader runs the notebook, the
    figure of f_{1,1} is all there is.

    Args:
        image: (H, W), at most 8×8; an example of 5×5 if there is none.
        kernel: (3, 3), with h(−1, −1) first; an example if there is none.

    Attributes:
        step: place of the kernel, from 1, row by row.
        mode: one of :data:`dl1.padding.convolution_terms.MODES`.

    Raises:
        CourseError: the image or the kernel has another shape.
    """

    def __init__(self, image: torch.Tensor | None = None, kernel: torch.Tensor | None = None) -> None:
        self._image = grid_of(torch.tensor(EXAMPLE_IMAGE) if image is None else image)
        self._kernel = weights_of(torch.tensor(EXAMPLE_KERNEL) if kernel is None else kernel)
        check_size(self._image)
        self.step, self.mode = 1, "valid"
        # One figure for all steps, because making its axes takes longer than drawing into them.
        self._figure = make_figure(self._image, self._kernel)
        self._redraw()
        self.controls = None if is_rerun() else self._make_controls()

    @property
    def place(self) -> tuple[int, int]:
        """Row and column of the present step, from 1."""
        row, column = divmod(self.step - 1, len(self._image[0]))
        return row + 1, column + 1

    def figure(self) -> Figure:
        """The present step as a figure of its own, which later steps don't change."""
        return draw_step(torch.tensor(self._image), torch.tensor(self._kernel), *self.place, self.mode)

    def alt_text(self) -> str:
        """The present step in words, for those who can't see the figure."""
        terms = terms_at(self._image, self._kernel, *self.place, self.mode)
        row, column = self.place
        lines = [in_words(term) + (f" ({note(term)})" if note(term) else "") for term in terms]
        return f"{sum_line(terms, row, column)}. Padding: {self.mode}. Terms: {'; '.join(lines)}."

    def _make_controls(self) -> ipywidgets.VBox:
        steps = len(self._image) * len(self._image[0])
        described = {"description_width": "initial"}
        smallest = min(len(self._image), len(self._image[0]))
        self.mode_choice = ipywidgets.Dropdown(
            # A mirror needs a second row and column.
            options=[(words, mode) for mode, words in MODES.items() if mode != "reflect" or smallest > 1],
            value=self.mode,
            description="Padding",
            style=described,
            layout={"width": "22em"},
        )
        self.slider = ipywidgets.IntSlider(
            value=1, min=1, max=steps, description="Step", style=described, layout={"width": "20em"}
        )
        play = ipywidgets.Play(
            value=1, min=1, max=steps, interval=900, show_repeat=False, tooltip="Step through the whole image"
        )
        # In the browser, so that playing goes on while the kernel draws.
        ipywidgets.jslink((play, "value"), (self.slider, "value"))
        self.previous = ipywidgets.Button(description="Previous", icon="arrow-left", layout={"width": "7.5em"})
        self.next = ipywidgets.Button(description="Next", icon="arrow-right", layout={"width": "7.5em"})
        self.picture = ipywidgets.HTML(value=self._img())
        self.previous.on_click(lambda _: self._go(-1))
        self.next.on_click(lambda _: self._go(1))
        self.slider.observe(self._changed, "value")
        self.mode_choice.observe(self._changed, "value")
        wrapped = {"flex_flow": "row wrap", "align_items": "center"}
        row = ipywidgets.HBox([self.mode_choice, self.slider, self.previous, self.next, play], layout=wrapped)
        return ipywidgets.VBox([row, self.picture])

    def _changed(self, _: Any) -> None:
        self.step, self.mode = self.slider.value, self.mode_choice.value
        self._redraw()
        self.picture.value = self._img()

    def _redraw(self) -> None:
        draw(self._figure, self._image, self._kernel, *self.place, self.mode)
        self._keep_picture(DPI)
