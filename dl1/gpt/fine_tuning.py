"""Fine-tuning a trained language model on a second, small text, and what it forgets of the first one meanwhile."""

from __future__ import annotations

import copy
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn as nn
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.last_position_loss import last_position_loss, logits_after, spread_positions
from dl1.gpt.student_module import check_model
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer
from dl1.notebook import runs

_HELD_OUT = 0.2
_BATCH = 16
_POINTS = 8
_FEW_STEPS, _FEW_POSITIONS, _FEW_CHARACTERS = 2, 32, 20
_OLD, _NEW = "old text", "new text"

Generate = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class FineTuned:
    """A model before and after fine-tuning; printed, it is the table of losses and the samples.

    Attributes:
        model: the fine-tuned copy, in eval mode; the model that it was copied from is as it was.
        old, new: names of both texts.
        steps: after which the losses were measured; the first is 0.
        old_losses, new_losses: on parts of each text that the model was never trained on, in nats.
        samples: what the model writes after the same prompt, "before" and "after"; empty without ``generate``.
        note: why there are no samples, or what was less than asked for.
    """

    model: nn.Module = field(repr=False)
    old: str
    new: str
    steps: list[int]
    old_losses: list[float]
    new_losses: list[float]
    samples: dict[str, str]
    note: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """Held-out losses: a row per text, and the columns "before", "after" and "change"."""
        rows = {f"{_OLD} ({self.old})": self.old_losses, f"{_NEW} ({self.new})": self.new_losses}
        values = [[losses[0], losses[-1], losses[-1] - losses[0]] for losses in rows.values()]
        return pd.DataFrame(values, list(rows), ["before", "after", "change"])

    def __str__(self) -> str:
        heading = f"Held-out loss in nats, before and after {self.steps[-1]:,} steps:"
        parts = [f"{heading}\n{self.table.to_string(float_format='{:.2f}'.format)}"]
        parts += [f"--- {name} ---\n{text}" for name, text in self.samples.items()]
        return "\n\n".join([*parts, *([self.note] if self.note else [])])


def second_text() -> str:
    """A text of the kit's own in another voice: the weather of two weeks, as the herald of a court cries it.

    Has only characters that occur in the kit's tales, so that a tokenizer made from them knows all.

    Raises:
        CourseError: the file is missing.
    """
    try:
        content = (importlib.resources.files("dl1.data") / "second_corpus.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(f"the second text of dl1 can't be read ({error}): install dl1 again") from None
    return content.strip("\n")


def fine_tune(
    model: nn.Module,
    tokenizer: CharTokenizer,
    corpus: Corpus,
    generate: Generate | None = None,
    *,
    text: str | None = None,
    steps: int = 80,
    learning_rate: float = 1e-3,
    prompt: str = "HEAR YE! ",
    characters: int = 250,
    positions: int = 128,
    seed: int = 0,
) -> FineTuned:
    """Train a copy of a model on a second text, and measure the loss on held-out parts of both texts meanwhile.

    The last fifth of the new text, and the last tenth of the old one, are held out. While nbgrader validates or grades,
    two steps are done and a few positions measured.

    Args:
        model: trained; from (B, T), int64, to logits (B, T, V), with ``block_size``; stays as it is.
        tokenizer: that the model was trained with.
        corpus: that the model was trained on: the old text.
        generate: ``(model, idx (B, T), max_new_tokens, temperature=, do_sample=, top_p=)`` -> (B, T + new), for the
            samples; one that is not finished or stops is said in the note, and the rest goes on.
        text: the new text; that of :func:`second_text`, if left out.
        steps: of 16 windows each, with AdamW.
        learning_rate: constant; the larger, the sooner the new text is learned and the old one forgotten.
        prompt: that the samples go on from.
        characters: of a sample, after the prompt.
        positions: of each text that a loss is the mean of.
        seed: of the order of the windows, of dropout and of the samples; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the model doesn't fit the tokenizer, which doesn't know a character of a text; a text is too short
            for the model's block size; a number makes no sense; or the loss isn't finite any more.
    """
    size, note = _size(steps, positions, characters, learning_rate)
    check_model(model, tokenizer)
    new_name = "second text" if text is not None else "the herald's weather"
    new = tokenizer.encode(second_text() if text is None else text)
    cut = round(len(new) * (1 - _HELD_OUT))
    old_held_out = tokenizer.encode(corpus.split()[1])
    tuned = copy.deepcopy(model)
    place = next(model.parameters()).device
    own = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(devices=own):
        held_out = [
            _Measured(tokens.to(place), model.block_size, size.positions) for tokens in (old_held_out, new[cut:])
        ]
        before, problem = _sample(model, tokenizer, generate, prompt, size.characters, seed)
        profile = replace(PROFILES["quick"], batch_size=_BATCH, learning_rate=learning_rate, cosine=False)
        trainer = Trainer(tuned, new[:cut], profile, steps=size.steps, seed=seed, device=place.type)
        done, losses = _train(trainer, held_out)
        after, _ = _sample(tuned, tokenizer, generate if before else None, prompt, size.characters, seed)
    samples = {"before": before, "after": after} if before and after else {}
    return FineTuned(
        tuned.eval(),
        corpus.name,
        new_name,
        done,
        losses[0],
        losses[1],
        samples,
        " ".join(filter(None, [note, problem])),
    )


def plot_fine_tuning(tuned: FineTuned) -> Figure:
    """Held-out losses of both texts over the steps of the fine-tuning."""
    figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    lines = [(_OLD, tuned.old, tuned.old_losses, "#0072B2", "o-"), (_NEW, tuned.new, tuned.new_losses, "#D55E00", "s-")]
    for role, name, losses, colour, style in lines:
        axis.plot(tuned.steps, losses, style, color=colour, markersize=4, label=f"{role}: {name}")
        axis.annotate(
            f"{losses[-1]:.2f}", (tuned.steps[-1], losses[-1]), (5, -3), textcoords="offset points", fontsize=8
        )
    axis.set(xlabel="step of the fine-tuning", ylabel="held-out loss (nats)")
    axis.margins(x=0.08)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    axis.set_title("What is learned, and what is forgotten", fontsize=10)
    return figure


class _Size(NamedTuple):
    """How much is done: steps of training, positions of each text that are measured, characters of a sample."""

    steps: int
    positions: int
    characters: int


def _size(steps: int, positions: int, characters: int, learning_rate: float) -> tuple[_Size, str]:
    """What was asked for, or less of it while nbgrader validates or grades, and a note that says so."""
    if steps < 1 or positions < 1 or characters < 1 or learning_rate <= 0:
        raise CourseError("steps, positions, characters and learning_rate must be larger than 0")
    if not runs.is_rerun():
        return _Size(steps, positions, characters), ""
    size = _Size(min(steps, _FEW_STEPS), min(positions, _FEW_POSITIONS), min(characters, _FEW_CHARACTERS))
    return size, f"Only {size.steps} steps, because the notebook is being validated or graded."


class _Measured:
    """A held-out text and the positions at which the loss is measured, always the same ones."""

    def __init__(self, tokens: torch.Tensor, block_size: int, positions: int) -> None:
        self.tokens, self.block_size = tokens, block_size
        self.positions = spread_positions(len(tokens), block_size, positions)

    def loss(self, model: nn.Module) -> float:
        with evaluating(model):
            return last_position_loss(logits_after(model), self.tokens, self.positions, self.block_size)


def _train(trainer: Trainer, held_out: list[_Measured]) -> tuple[list[int], list[list[float]]]:
    """Steps after which was measured, and at each the loss of every held-out text."""
    done, losses = [0], [[measured.loss(trainer.model)] for measured in held_out]
    every = -(-trainer.steps // _POINTS)
    for step in tqdm(range(1, trainer.steps + 1), desc="fine-tuning", leave=False):
        loss = trainer.step()
        if step % every == 0 or step == trainer.steps:
            trainer.check_finite(loss.item())
            done.append(step)
            for values, measured in zip(losses, held_out, strict=True):
                values.append(measured.loss(trainer.model))
    return done, losses


def _sample(
    model: nn.Module, tokenizer: CharTokenizer, generate: Generate | None, prompt: str, characters: int, seed: int
) -> tuple[str, str]:
    """What the model writes, and why it is nothing."""
    if generate is None:
        return "", ""
    try:
        with in_one_line("generate"), evaluating(model) as place:
            torch.manual_seed(seed)
            idx = tokenizer.encode(prompt)[None].to(place)  # (1, T)
            written = generate(model, idx, characters, temperature=0.8, do_sample=True, top_p=0.9)  # (1, T + new)
            return tokenizer.decode(written[0].cpu()), ""
    except CourseError as error:
        return "", f"No samples: {error}."
