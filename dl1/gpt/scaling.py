"""A scaling law on a laptop: models of several widths see the same text, and the loss is a line over their parameters.

Both axes are logarithmic (Kaplan et al. 2020). The line is fitted to all widths but the largest, and predicts its loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from tqdm.auto import tqdm

from dl1.contract.unfinished import explained
from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer
from dl1.notebook import runs

_SIZES = {"n_layer": 2, "n_head": 2, "block_size": 32, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "attn_pdrop": 0.0}
_BATCH, _RATE, _FEW_STEPS = 32, 3e-3, 2
_FITTED, _PREDICTED = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Scaling:
    """What was measured and what the line says; printed, the prediction and what became of it.

    Attributes:
        widths, parameters: of the models, ascending.
        losses: on held-out text, in nats.
        exponent: by which power of the parameters the loss falls, fitted to all models but the last.
        predicted: loss of the last one, by the line.
        tokens: that each model has seen.
    """

    widths: list[int]
    parameters: list[int]
    losses: list[float]
    exponent: float
    predicted: float
    tokens: int

    def __str__(self) -> str:
        return (
            f"{self.tokens:,} tokens for each model; the loss falls like N^-{self.exponent:.3f}\n"
            f"{self.parameters[-1]:,} parameters: predicted {self.predicted:.2f}, measured {self.losses[-1]:.2f} nats"
        )


def scaling_law(
    module: ModuleType,
    tokenizer: CharTokenizer,
    corpus: Corpus,
    widths: Sequence[int] = (12, 24, 48, 96),
    steps: int = 300,
    seed: int = 0,
) -> Scaling:
    """Train a model of each width on the same windows of a text, with the same steps; a minute on two cores.

    While nbgrader validates or grades, two steps are done.

    Args:
        module: has GPT and GPTConfig, such as the module that 2a exports.
        tokenizer: that knows the text's characters.
        corpus: its last tenth is for the losses.
        widths: numbers of channels, at least three, multiples of 4.
        steps: of 32 windows of 32 characters each, with AdamW; the rate rises and falls along a cosine.
        seed: of weights and order of the windows; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: a number makes no sense, or the text is too short.
    """
    widths = sorted(set(widths))
    if len(widths) < 3 or steps < 1 or any(width < 4 or width % 4 for width in widths):
        raise CourseError("give three widths or more, each a multiple of 4, and steps larger than 0")
    steps = min(steps, _FEW_STEPS) if runs.is_rerun() else steps
    begin, end = (tokenizer.encode(text) for text in corpus.split())
    profile = replace(PROFILES["quick"], batch_size=_BATCH, learning_rate=_RATE)
    parameters, losses = [], []
    with (
        explained(),
        torch.random.fork_rng(devices=[]),
        tqdm(total=len(widths) * steps, desc="widths", leave=False) as bar,
    ):
        for width in widths:
            torch.manual_seed(seed)
            sizes = {"n_embd": width, "vocab_size": tokenizer.vocab_size, **_SIZES, "use_flash_attn": False}
            model = module.GPT(module.GPTConfig(**sizes))
            trainer = Trainer(model, begin, profile, steps=steps, seed=seed)
            for _ in range(steps):
                loss = trainer.step()
                bar.update()
            trainer.check_finite(loss.item())
            parameters.append(sum(weight.numel() for weight in model.parameters()))
            losses.append(trainer.validation_loss(end, windows=256))
    exponent, predicted = _line(parameters, losses)
    return Scaling(widths, parameters, losses, exponent, predicted, steps * trainer.tokens_per_step)


def plot_scaling(found: Scaling) -> Figure:
    """Losses over parameters, both logarithmic, with the line and what it predicts."""
    figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    axis.plot(found.parameters[:-1], found.losses[:-1], "o", color=_FITTED, label="measured, and fitted")
    ends = np.geomspace(found.parameters[0], found.parameters[-1], 2)
    line = found.predicted * (ends / found.parameters[-1]) ** -found.exponent
    axis.plot(ends, line, "--", color=_FITTED, label=f"loss ∝ N^-{found.exponent:.3f}")
    axis.plot(found.parameters[-1:], [found.predicted], "o", color=_PREDICTED, mfc="none", label="predicted")
    axis.plot(found.parameters[-1:], found.losses[-1:], "o", color=_PREDICTED, label="measured afterwards")
    for count, loss, width in zip(found.parameters, found.losses, found.widths, strict=True):
        axis.annotate(f"{width} wide", (count, loss), (6, 6), textcoords="offset points", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="parameters N", ylabel="held-out loss (nats)")
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(ScalarFormatter())
    axis.margins(x=0.12, y=0.12)
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=8)
    axis.set_title(f"Each model has seen {found.tokens:,} tokens", fontsize=10)
    return figure


def _line(parameters: Sequence[int], losses: Sequence[float]) -> tuple[float, float]:
    """Exponent of a power law through all points but the last (least squares of the logarithms), and its loss there."""
    slope, offset = np.polyfit(np.log(parameters[:-1]), np.log(losses[:-1]), 1)
    return -float(slope), math.exp(offset + slope * math.log(parameters[-1]))
