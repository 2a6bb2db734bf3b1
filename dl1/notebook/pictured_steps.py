"""What widgets have in common that show one figure, drawn anew at each step."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import ipywidgets
from matplotlib.figure import Figure


class PicturedSteps:
    """A figure with a slider: the widget where there is a front end, and always an image with words for it.

    A subclass draws the present step into ``_figure``, then calls :meth:`_keep_picture`.

    Attributes:
        controls: the widget; None where nbgrader runs the notebook.
        slider, picture: parts of it.
    """

    controls: ipywidgets.Widget | None
    slider: ipywidgets.IntSlider
    picture: ipywidgets.HTML
    _figure: Figure

    def alt_text(self) -> str:
        """The present step in words, for those who can't see the figure."""
        raise NotImplementedError

    def _go(self, steps: int) -> None:
        self.slider.value = min(max(self.slider.value + steps, self.slider.min), self.slider.max)

    def _keep_picture(self, dpi: float) -> None:
        buffer = io.BytesIO()
        # A little larger than the densest compression, and ready sooner.
        self._figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 2})
        self._png, self._size = buffer.getvalue(), [round(inches * dpi) for inches in self._figure.get_size_inches()]

    def _img(self) -> str:
        # ipywidgets.Image has no alternative text; with its proportions given, the page doesn't jump at each step.
        look = 'width="{}" height="{}" style="max-width:100%;height:auto" class="dl1-drawing"'.format(*self._size)
        return f'<img {look} alt="{html.escape(self.alt_text())}" src="data:image/png;base64,{self._encoded()}">'

    def _encoded(self) -> str:
        return base64.b64encode(self._png).decode("ascii")

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget where a front end can show it, else the image: what displays the output chooses."""
        shown = {} if self.controls is None else self.controls._repr_mimebundle_()
        words = self.alt_text()
        return {**shown, "image/png": self._encoded(), "text/plain": words}, {"image/png": {"alt": words}}
