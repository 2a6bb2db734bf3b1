"""A small trained model of the course's, which speaks the same text in every right implementation of its classes.

Its weights come with this package as safetensors, which hold numbers and nothing that could run. It writes in lower
case only, so it is no run that could be handed in for Question 2.7. ``benchmarks/course_model.py`` has trained it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dl1.data
from dl1.contract.student_calls import evaluating, in_one_line
from dl1.contract.unfinished import explained
from dl1.errors import CourseError
from dl1.gpt.runs import Run, load_run
from dl1.gpt.student_module import check_model
from dl1.notebook.runs import load_result

NextTokenProbabilities = Callable[..., torch.Tensor]
Generate = Callable[..., torch.Tensor]

_FOLDER = Path(dl1.data.__file__).parent / "course_gpt"
SPOKEN = "spoken.json"
_SAME, _DIFFERENT = "#0072B2", "#D55E00"
_PER_LINE = 106
# Two right implementations add in other orders: float32 differs by less than 1e-5 then.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Spoken:
    """What a model wrote beside what the course's own has written; printed, it is the verdict.

    Attributes:
        prompt: that both texts go on from.
        texts: by how they were chosen, "greedy" and "drawn": yours and the course's, without the prompt.
        differences: at each character of the course's drawn text, |log p of yours - log p of the course's|; empty
            where the weights don't fit, which the note says.
        note: what could not be tried, and why.
    """

    prompt: str
    texts: dict[str, tuple[str, str]]
    differences: list[float]
    note: str = ""

    @property
    def is_same(self) -> bool:
        """Whether every text that was tried is the same, and the model gives the same probabilities."""
        same = [yours == course for yours, course in self.texts.values()]
        return max(self.differences, default=_ROUNDING) < _ROUNDING and all(same)

    def __str__(self) -> str:
        lines = [f"log p: differs by {max(self.differences):.1e} at most"] if self.differences else []
        for how, (yours, course) in self.texts.items():
            same = _same_length(yours, course)
            verdict = "the same text" if same == len(course) else f"another text from character {same + 1} on"
            lines.append(f"{how}: {verdict} ({same} of {len(course)})")
        return "\n".join([*lines, *([self.note] if self.note else [])])


def course_run() -> Run:
    """The course's run: its sizes, characters, curve and weights.

    Raises:
        CourseError: a file of the package is missing or damaged.
    """
    try:
        return load_run(_FOLDER)
    except CourseError as error:
        raise CourseError(f"the course's model can't be read ({error}): install dl1 again") from None


def course_model(module: ModuleType, run: Run | None = None) -> nn.Module:
    """A model of a student's classes with the course's weights, in eval mode, on the CPU.

    Args:
        module: has GPT and GPTConfig, such as the module that 2a exports.
        run: in place of the course's.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the classes make no model of these sizes, or the weights have other names or shapes.
    """
    run = run or course_run()
    try:
        with explained(), torch.random.fork_rng(devices=[]):
            model = module.GPT(module.GPTConfig(**run.config))
    except NotImplementedError:
        raise
    # Whatever the student's classes make of a config.
    except Exception as error:
        raise CourseError(f"GPT can't be made in the sizes of the course ({type(error).__name__}: {error})") from None
    check_model(model, run.tokenizer)
    run.put_into(model)
    return model.eval()


def speak_course_text(
    module: ModuleType,
    next_token_probabilities: NextTokenProbabilities | None = None,
    generate: Generate | None = None,
) -> Spoken:
    """Let the course's weights speak through a student's classes, and compare with what they have to say.

    The model is asked how likely each character of the course's text is. Then it writes for itself: greedily by
    ``generate``, and by ``next_token_probabilities`` with the random numbers of the course, each of which lies in the
    middle of what belongs to its character, so that rounding can't change the text.

    Args:
        module: has GPT and GPTConfig.
        next_token_probabilities, generate: of Question 2.8; what is missing or not finished is said in the note.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: a file of the package is missing or damaged.
    """
    run, told = course_run(), load_result(_FOLDER / SPOKEN)
    if told is None:
        raise CourseError(f"there is no {SPOKEN} in the package: install dl1 again")
    tokenizer, prompt = run.tokenizer, run.tokenizer.encode(told["prompt"])
    texts, differences, note = {}, [], ""
    try:
        model = course_model(module, run)
        with evaluating(model):
            with in_one_line("the model"):
                found = log_probabilities(model, prompt, tokenizer.encode(told["drawn"]))
            differences = [abs(one - other) for one, other in zip(found, told["log_probabilities"], strict=True)]
            if generate is not None:
                with in_one_line("generate"):
                    written = generate(model, prompt[None], len(told["greedy"]))[0, len(prompt) :]
                    texts["greedy"] = tokenizer.decode(written), told["greedy"]
            if next_token_probabilities is not None:
                settings = {"temperature": told["temperature"], "top_p": told["top_p"]}
                with in_one_line("next_token_probabilities"):
                    written = drawn_tokens(model, next_token_probabilities, prompt, told["draws"], settings)
                    texts["drawn"] = tokenizer.decode(written), told["drawn"]
    except CourseError as error:
        note = f"Not everything was tried: {error}."
    return Spoken(told["prompt"], texts, differences, note)


def plot_spoken(spoken: Spoken) -> Figure:
    """Both texts, character by character, blue as far as they are the same; below, how far the probabilities differ."""
    rows = sum(2 + len(textwrap.wrap(course, _PER_LINE)) for _, course in spoken.texts.values())
    figure, axes = plt.subplots(
        2, 1, figsize=(8.6, 2.2 + 0.19 * rows), height_ratios=[max(0.1, 0.19 * rows), 1.9], layout="constrained"
    )
    _write_texts(axes[0], spoken, max(rows, 1))
    places = range(1, len(spoken.differences) + 1)
    wrong = [value >= _ROUNDING for value in spoken.differences]
    colours = [_DIFFERENT if each else _SAME for each in wrong]
    axes[1].scatter(places, [max(value, 1e-8) for value in spoken.differences], s=9, c=colours)
    axes[1].axhline(_ROUNDING, color="#7A828A", linestyle=":")
    axes[1].text(1, _ROUNDING * 1.3, "above: more than rounding", fontsize=8, color="#7A828A")
    axes[1].set(yscale="log", ylim=(5e-9, 50), xlabel="character of the drawn text", ylabel="|Δ log p|")
    axes[1].grid(alpha=0.3)
    what = "text" if spoken.texts else "probabilities"
    verdict = (
        f"The course's weights in your classes: the same {what}" if spoken.is_same else f"Not the course's {what} yet"
    )
    figure.suptitle(verdict, color=_SAME if spoken.is_same else _DIFFERENT, fontsize=11)
    return figure


def log_probabilities(model: nn.Module, prompt: torch.Tensor, tokens: torch.Tensor) -> list[float]:
    """log p of each token that follows a prompt, each from the last ``block_size`` tokens before it."""
    text, size, found = torch.cat([prompt, tokens]), model.block_size, []
    for place in range(len(prompt), len(text)):
        if place >= size:
            # Whole contexts fit into one batch.
            contexts = text[:-1].unfold(0, size, 1)[place - size :]  # (N, size)
            found.append(model(contexts)[:, -1].float())
            break
        found.append(model(text[:place][None])[:, -1].float())  # (1, V)
    logits = torch.cat(found)  # (len(tokens), V)
    return logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0].tolist()


def drawn_tokens(
    model: nn.Module,
    next_token_probabilities: NextTokenProbabilities,
    prompt: torch.Tensor,
    draws: list[float],
    settings: dict[str, float],
) -> torch.Tensor:
    """Tokens drawn with given random numbers: the first whose cumulative probability exceeds the number."""
    text = prompt[None]
    for number in draws:
        logits = model(text[:, -model.block_size :])[:, -1]  # (1, V)
        sums = next_token_probabilities(logits, **settings).double().cumsum(-1)
        token = (sums <= number * sums[:, -1:]).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
        text = torch.cat([text, token], dim=1)
    return text[0, len(prompt) :]


def _same_length(yours: str, course: str) -> int:
    return next((i for i, pair in enumerate(zip(yours, course, strict=False)) if pair[0] != pair[1]), len(course))


def _write_texts(axis: Axes, spoken: Spoken, rows: int) -> None:
    axis.set(xlim=(0, _PER_LINE), ylim=(rows, 0))
    axis.set_axis_off()
    style = {"family": "monospace", "fontsize": 8.5, "parse_math": False, "va": "center"}
    row = 0.5
    for how, (yours, course) in spoken.texts.items():
        same = _same_length(yours, course)
        axis.text(0, row, f"{how}, after {spoken.prompt!r}", fontsize=8.5, va="center", color="#7A828A")
        yours = yours.replace("\n", "⏎")
        for begin in range(0, len(yours), _PER_LINE):
            row += 1
            line = yours[begin : begin + _PER_LINE]
            kept = max(0, min(len(line), same - begin))
            axis.text(0, row, line[:kept] + " " * (len(line) - kept), color=_SAME, **style)
            axis.text(0, row, " " * kept + line[kept:], color=_DIFFERENT, **style)
        row += 1.5
