"""Attention maps: for each layer and head of a student's GPT, which earlier characters a character looks at."""

from __future__ import annotations

import base64
import html
import io

import ipywidgets
import matplotlib
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from PIL import Image

from dl1.errors import CourseError
from dl1.gpt.attention_probabilities import attention_probabilities, doubts
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.notebook import runs

MOST_CHARACTERS = 48
_VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}
_COLOURS, _QUERY = "Blues", "#D55E00"
# Weights of a few per cent, which most are, would look like none on a linear scale.
_NORM = PowerNorm(0.5, 0, 1)
_CELL, _MARGIN, _STRONGEST = 10, 16, 6


def attention_maps(model: nn.Module, tokenizer: CharTokenizer, text: str) -> None:
    """Show the attention of one head as a map, and one of its rows as a coloured text; layer, head and row by slider.

    Below stands a figure of all heads of all layers for print. Where no one can move a slider, in a notebook that
    nbgrader runs, there is only the figure. What fails in the student's code is said in one line.

    Args:
        model: as for :func:`dl1.gpt.attention_probabilities.attention_probabilities`; with ``block_size``.
        tokenizer: the one that the model was trained with.
        text: only its end is shown: at most 48 characters, and no more than ``block_size``.
    """
    if not runs.is_rerun():
        # Imported here, because without a front end there is nothing to display in.
        from IPython.display import display

        display(AttentionMaps(model, tokenizer, text).box)
    try:
        show_heads(model, tokenizer, text)
    except CourseError as error:
        print(f"No figure: {error}.")
    else:
        plt.show()


class AttentionMaps:
    """The widget and its parts.

    Attributes:
        text: field for the text.
        layer, head: sliders, from 1.
        row: slider for the character that looks, from 1.
        map, reading, message: what they show.
        box: all of it.
    """

    def __init__(self, model: nn.Module, tokenizer: CharTokenizer, text: str) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._weights: torch.Tensor | None = None
        self._shown = ""
        wide = {"width": "24em"}
        self.text = ipywidgets.Textarea(value=text, description="text", rows=2, layout={"width": "48em"})
        self.layer, self.head, self.row = (
            ipywidgets.IntSlider(value=1, min=1, max=1, description=name, layout=wide)
            for name in ("layer", "head", "character")
        )
        self.map, self.reading, self.message = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.text.observe(self._read, names="value")
        for control in (self.layer, self.head, self.row):
            control.observe(self._show, names="value")
        self.box = ipywidgets.VBox(
            [
                self.text,
                ipywidgets.HBox([self.layer, self.head, self.row], layout={"flex_flow": "row wrap"}),
                self.message,
                ipywidgets.HBox([self.map, self.reading], layout={"flex_flow": "row wrap", "align_items": "center"}),
            ]
        )
        self._read()

    def _read(self, change: object = None) -> None:
        try:
            shown, weights = _looked_at(self._model, self._tokenizer, self.text.value)
        except CourseError as error:
            stale = "" if self._weights is None else " (the picture is that of the last text that worked)"
            self.message.value = (
                '<div role="alert" style="color:#B34700;line-height:1.35;max-width:60em">⚠ '
                f"{html.escape(f'{error}{stale}')}</div>"
            )
            return
        self._shown, self._weights = shown, weights
        self.layer.max, self.head.max = weights.shape[:2]
        self.row.max = len(shown)
        self.row.value = len(shown)
        notes = []
        if len(shown) < len(self.text.value):
            notes.append(f"of {len(self.text.value)} characters, the last {len(shown)} are shown")
        if doubts(weights):
            notes.append(f"⚠ {doubts(weights)}")
        self.message.value = html.escape("; ".join(notes))
        self._show()

    def _show(self, change: object = None) -> None:
        if self._weights is None:
            return
        weights = self._weights[self.layer.value - 1, self.head.value - 1]  # (T, T)
        title = f"layer {self.layer.value}, head {self.head.value}"
        self.map.value = _map_svg(weights, self._shown, self.row.value - 1, title)
        self.reading.value = _reading_html(weights[self.row.value - 1], self._shown, self.row.value - 1)


def show_heads(model: nn.Module, tokenizer: CharTokenizer, text: str) -> Figure:
    """A figure with the map of every head of every layer.

    Raises:
        CourseError: the text is empty or has unknown characters, or as in ``attention_probabilities``.
    """
    shown, weights = _looked_at(model, tokenizer, text)
    layers, heads = weights.shape[:2]
    figure, axes = plt.subplots(
        layers, heads, figsize=(max(4.5, 1.7 * heads + 1), 1.75 * layers + 0.7), layout="constrained", squeeze=False
    )
    for layer in range(layers):
        for head in range(heads):
            axis = axes[layer, head]
            drawn = axis.imshow(weights[layer, head].numpy(), cmap=_COLOURS, norm=_NORM, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        axes[layer, 0].set_ylabel(f"layer {layer + 1}")
    for head in range(heads):
        axes[0, head].set_title(f"head {head + 1}", fontsize=10)
    figure.colorbar(drawn, ax=axes, label="attention weight", ticks=[0, 0.05, 0.2, 0.5, 1], shrink=0.8)
    wrong = f"\n{doubts(weights)}" if doubts(weights) else ""
    figure.suptitle(
        f"Row: the character that looks; column: what it looks at\n“{_visible(shown)}”{wrong}",
        fontsize=9,
        parse_math=False,
    )
    return figure


def _looked_at(model: nn.Module, tokenizer: CharTokenizer, text: str) -> tuple[str, torch.Tensor]:
    """The end of the text that is shown, T characters, and its weights (L, n_head, T, T)."""
    if not text:
        raise CourseError("the text is empty: write at least one character")
    most = min(MOST_CHARACTERS, getattr(model, "block_size", MOST_CHARACTERS))
    ids = tokenizer.encode(text)[-most:]  # (T,)
    return text[-len(ids) :], attention_probabilities(model, ids[None])


def _visible(text: str) -> str:
    return "".join(_VISIBLE.get(character, character) for character in text)


def _map_svg(weights: torch.Tensor, text: str, row: int, title: str) -> str:
    """The map with its characters; each row tells what it looks at when the mouse is over it."""
    length = len(text)
    colours = matplotlib.colormaps[_COLOURS](_NORM(weights.numpy()), bytes=True)[:, :, :3]  # (T, T, 3)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, format="PNG")
    code = base64.b64encode(buffer.getvalue()).decode()
    side = _CELL * length
    labels, rows = [], []
    for place, character in enumerate(_visible(text)):
        middle = _MARGIN + _CELL * (place + 0.5)
        weight = "bold" if place == row else "normal"
        for x, y in ((middle, _MARGIN - 4), (_MARGIN - 7, middle + 3)):
            labels.append(
                f'<text x="{x}" y="{y}" text-anchor="middle" font-weight="{weight}">{html.escape(character)}</text>'
            )
        told = html.escape(_in_words(weights[place], text, place))
        top = _MARGIN + _CELL * place
        rows.append(f'<rect x="{_MARGIN}" y="{top}" width="{side}" height="{_CELL}"><title>{told}</title></rect>')
    whole = side + _MARGIN + 4
    # Twice as large where the text is short, so that its cells can be seen.
    width = whole * (2 if length <= MOST_CHARACTERS // 2 else 1)
    return (
        f'<svg role="img" aria-label="Attention of {title}" viewBox="0 0 {whole} {whole}" width="{width}" '
        f'style="max-width:100%;background:#fff;margin:6px" font-size="9" font-family="monospace">'
        f"<style>.dl1-rows rect{{fill:transparent}}.dl1-rows rect:hover{{stroke:#000;stroke-width:.8}}</style>"
        f'<image x="{_MARGIN}" y="{_MARGIN}" width="{side}" height="{side}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{code}"/>'
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{side}" height="{side}" fill="none" stroke="#999"/>'
        f'{"".join(labels)}<rect x="{_MARGIN}" y="{_MARGIN + _CELL * row}" width="{side}" height="{_CELL}" '
        f'fill="none" stroke="{_QUERY}" stroke-width="1.6"/><g class="dl1-rows">{"".join(rows)}</g></svg>'
    )


def _strongest(weights: torch.Tensor) -> list[int]:
    """Places of the largest weights, without those that would be rounded to 0%."""
    places = weights.argsort(descending=True, stable=True)[:_STRONGEST].tolist()
    return [place for place in places if weights[place] >= 0.005]


def _in_words(weights: torch.Tensor, text: str, row: int) -> str:
    """Such as "“e” (3) looks at: “h” (2) 70%, “T” (1) 20%"."""
    seen = [f"“{_visible(text[place])}” ({place + 1}) {weights[place].item():.0%}" for place in _strongest(weights)]
    return f"“{_visible(text[row])}” ({row + 1}) looks at: {', '.join(seen) or 'nothing'}"


def _reading_html(weights: torch.Tensor, text: str, row: int) -> str:
    """The text, each character on the colour of its weight, and bars of the strongest."""
    largest = max(float(weights.max()), 1e-12)
    letters = []
    for place, character in enumerate(_visible(text)):
        share = weights[place].item()
        depth = max(0.0, share) / largest
        look = f"background:rgba(0,114,178,{depth:.2f});color:{'#fff' if depth > 0.55 else '#000'}"
        if place == row:
            look += f";outline:2px solid {_QUERY};outline-offset:-1px"
        elif place > row and share <= 0:
            look = "color:#bbb"
        letters.append(f'<span title="{share:.1%}" style="{look}">{html.escape(character)}</span>')
    bars = "".join(
        f'<tr><td style="text-align:right;padding-right:6px"><code>{html.escape(_visible(text[place]))}</code> '
        f'({place + 1})</td><td style="width:210px"><span style="display:block;height:11px;background:#0072B2;'
        f'print-color-adjust:exact;width:{max(0.0, 200 * weights[place].item()):.1f}px"></span></td>'
        f"<td>{weights[place].item():.1%}</td></tr>"
        for place in _strongest(weights)
    )
    return (
        f'<div style="max-width:27em;color:#000;background:#fff;padding:6px 10px"><div><b>'
        f"{html.escape(_visible(text[row]))}</b> (character {row + 1}, framed) looks at:</div>"
        f'<div style="font:16px/1.6 monospace;word-break:break-all;print-color-adjust:exact">{"".join(letters)}</div>'
        f'<table style="line-height:1.3;margin-top:6px">{bars}</table>'
        '<div style="font-size:smaller;line-height:1.35">In the text: darkest is the largest weight of this row, '
        "grey comes later.<br>In the map: rows look, columns are looked at, white is 0 and the darkest blue 1.</div>"
        "</div>"
    )
