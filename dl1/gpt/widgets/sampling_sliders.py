"""Sliders for temperature and top-p beside the next-token distribution, and a button that writes on; all live."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

import ipywidgets
import matplotlib.pyplot as plt
import torch
import torch.nn as nn

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.widgets.token_distribution import (
    NextTokenProbabilities,
    Setting,
    bars_html,
    prompt_logits,
    show_distributions,
    token_distribution,
)
from dl1.notebook import runs

_MOST_CHARACTERS = 2_000
# Written so many at a time, so that there is something to read before all is done.
_AT_A_TIME = 20
_STALE = " (the picture is that of the last prompt that worked)"

Generate = Callable[..., torch.Tensor]


def sampling_sliders(
    model: nn.Module,
    tokenizer: CharTokenizer,
    next_token_probabilities: NextTokenProbabilities,
    generate: Generate,
    prompt: str = "Once upon a time",
) -> None:
    """Show the next-token distribution of a prompt with sliders, and a button that writes the continuation.

    Below stands a figure of three temperatures and a nucleus for print. Where no one can move a slider, in a notebook
    that nbgrader runs, there is only the figure. What fails in the student's code is said in one line.

    Args:
        model: from (B, T), int64, to logits (B, T, V), with ``block_size``.
        tokenizer: of V characters.
        next_token_probabilities: ``(logits (B, V), temperature=1.0, top_k=None, top_p=None)`` -> (B, V).
        generate: ``(model, idx (B, T), max_new_tokens, temperature=, do_sample=, top_k=, top_p=)`` -> (B, T + new).
        prompt: to begin with.
    """
    if not runs.is_rerun():
        # Imported here, because without a front end there is nothing to display in.
        from IPython.display import display

        display(SamplingSliders(model, tokenizer, next_token_probabilities, generate, prompt).box)
    try:
        show_distributions(model, tokenizer, next_token_probabilities, prompt)
    except CourseError as error:
        print(f"No figure: {error}.")
    else:
        plt.show()


class SamplingSliders:
    """The widget and its parts.

    Attributes:
        prompt: text field.
        temperature, top_p, top_k: top_p = 1 and top_k = 0 turn the limit off.
        count, seed: how many characters to write, and with which random numbers.
        button: writes.
        bars, text, message: what they show.
        box: all of it.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: CharTokenizer,
        next_token_probabilities: NextTokenProbabilities,
        generate: Generate,
        prompt: str,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._next_token_probabilities, self._generate = next_token_probabilities, generate
        # Of the last prompt that worked: moving a slider asks the model nothing.
        self._logits: torch.Tensor | None = None
        self._prompt_problem = ""
        self._make_controls(prompt, tokenizer.vocab_size)
        self.message, self.bars, self.text = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._connect()
        self.box = self._arranged()
        self._read_prompt()

    def _make_controls(self, prompt: str, vocab_size: int) -> None:
        described = {"description_width": "7em"}
        wide, narrow = {"width": "30em"}, {"width": "14em"}
        self.prompt = ipywidgets.Textarea(
            value=prompt, description="prompt", rows=2, style=described, layout={"width": "44em"}
        )
        self.temperature = ipywidgets.FloatSlider(
            value=1.0, min=0.1, max=2.0, step=0.05, description="temperature", style=described, layout=wide
        )
        self.top_p = ipywidgets.FloatSlider(
            value=0.6, min=0.05, max=1.0, step=0.05, description="top-p (1: off)", style=described, layout=wide
        )
        self.top_k = ipywidgets.BoundedIntText(
            value=0, min=0, max=vocab_size, description="top-k (0: off)", style=described, layout=narrow
        )
        self.count = ipywidgets.BoundedIntText(
            value=200, min=1, max=_MOST_CHARACTERS, description="characters", style=described, layout=narrow
        )
        self.seed = ipywidgets.BoundedIntText(
            value=0, min=0, max=2**31 - 1, description="seed", style=described, layout=narrow
        )
        self.button = ipywidgets.Button(description="Generate", icon="pencil", button_style="primary")

    def _connect(self) -> None:
        self.prompt.observe(self._read_prompt, names="value")
        for control in (self.temperature, self.top_p, self.top_k):
            control.observe(self._show, names="value")
        self.button.on_click(self._write)

    def _arranged(self) -> ipywidgets.VBox:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        return ipywidgets.VBox(
            [
                self.prompt,
                ipywidgets.HBox([self.temperature, self.top_p, self.top_k], layout=row),
                self.message,
                self.bars,
                ipywidgets.HBox([self.count, self.seed, self.button], layout=row),
                self.text,
            ]
        )

    @property
    def setting(self) -> Setting:
        top_p = self.top_p.value
        # The sum of all probabilities may miss 1 by a rounding: at the slider's end nothing is to be cut.
        return Setting(self.temperature.value, self.top_k.value or None, None if top_p >= 1 else round(top_p, 2))

    def _read_prompt(self, change: object = None) -> None:
        try:
            self._logits = prompt_logits(self._model, self._tokenizer, self.prompt.value)
            self._prompt_problem = ""
        except CourseError as error:
            self._prompt_problem = str(error) + (_STALE if self._logits is not None else "")
        self._show()

    def _show(self, change: object = None) -> None:
        problem = self._prompt_problem
        if self._logits is not None:
            try:
                setting = self.setting
                found = token_distribution(
                    self._next_token_probabilities, self._logits, self._tokenizer.characters, setting
                )
                self.bars.value = bars_html(found, setting)
            except CourseError as error:
                problem = problem or str(error)
                # Bars of another setting would pass for those of this one.
                self.bars.value = ""
        self.message.value = _line(problem)

    def _write(self, button: object = None) -> None:
        self.button.disabled = True
        prompt, setting = self.prompt.value, self.setting
        about = f"{setting.words()}, seed {self.seed.value}"
        self.text.value = _text_html(prompt, "", f"writing, {about} …")
        try:
            written = ""
            for written in continuations(
                self._model, self._tokenizer, self._generate, prompt, setting, self.count.value, self.seed.value
            ):
                self.text.value = _text_html(prompt, written, f"writing, {about} …")
            self.text.value = _text_html(prompt, written, f"{len(written)} characters, {about}")
        except CourseError as error:
            self.text.value = _line(str(error))
        finally:
            self.button.disabled = False


def continuations(
    model: nn.Module,
    tokenizer: CharTokenizer,
    generate: Generate,
    prompt: str,
    setting: Setting,
    count: int,
    seed: int,
) -> Iterator[str]:
    """What the student's ``generate`` writes after a prompt, longer each time, up to ``count`` characters.

    The model is in eval mode meanwhile, and the caller's random numbers stay as they are.

    Raises:
        CourseError: the prompt can't be used, or ``generate`` is not finished, fails, or returns something else.
    """
    if not prompt:
        raise CourseError("the prompt is empty: write at least one character")
    idx = tokenizer.encode(prompt)[None]  # (1, T)
    start = idx.shape[1]
    with evaluating(model) as place:
        idx = idx.to(place)
        with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
            torch.manual_seed(seed)
            while idx.shape[1] < start + count:
                new = min(_AT_A_TIME, start + count - idx.shape[1])
                idx = _extended(generate, model, idx, new, setting)
                yield tokenizer.decode(idx[0, start:])


def _extended(generate: Generate, model: nn.Module, idx: torch.Tensor, new: int, setting: Setting) -> torch.Tensor:
    """(1, T) -> (1, T + new)."""
    length = idx.shape[1]
    with in_one_line("generate"):
        # A copy, because code that changes its input in place would change what the result is compared with.
        found = generate(
            model,
            idx.clone(),
            new,
            temperature=setting.temperature,
            do_sample=True,
            top_k=setting.top_k,
            top_p=setting.top_p,
        )
    if not isinstance(found, torch.Tensor) or found.shape != (1, length + new) or not found[:, :length].equal(idx):
        given = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise CourseError(
            f"generate gave {given} for idx (1, {length}) and max_new_tokens={new}: it must give (1, {length + new}), "
            "idx followed by the new tokens"
        )
    return found


def _line(problem: str) -> str:
    look = "color:#B34700;line-height:1.35;max-width:60em"
    return f'<div role="alert" style="{look}">⚠ {html.escape(problem)}</div>' if problem else ""


def _text_html(prompt: str, written: str, about: str) -> str:
    return (
        f'<div style="font-size:smaller">{html.escape(about)}</div><pre style="white-space:pre-wrap;word-break:normal;'
        f'overflow-wrap:anywhere;max-width:48em;margin:4px 0"><b>{html.escape(prompt)}</b>{html.escape(written)}</pre>'
    )
