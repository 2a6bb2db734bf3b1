"""Figure of a language model's training."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from dl1.gpt.runs import Run

_COLOURS = {"training loss": "#0072B2", "validation loss": "#D55E00"}


_TEXTS = {"embedded tales": "the kit's tales"}


def plot_losses(run: Run) -> Figure:
    """Training and validation loss over the steps, in nats per character.

    A dot marks the point whose weights are kept, a line their loss as it is claimed: at the last positions of windows,
    where a model has seen most, and so a little below the dot.
    """
    figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
    for name, colour in _COLOURS.items():
        axis.plot(run.curve["step"], run.curve[name], color=colour, label=name)
    if run.kept_step in run.curve["step"]:
        height = run.curve["validation loss"][run.curve["step"].index(run.kept_step)]
        label = f"kept: the weights of step {run.kept_step:,}"
        axis.plot(run.kept_step, height, "o", color=_COLOURS["validation loss"], label=label)
    axis.axhline(run.validation_loss, color="#5B6570", linestyle=":", label=f"their loss: {run.validation_loss:.3f}")
    axis.set(xlabel="step", ylabel="cross-entropy (nats per character)", title=_title(run))
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def _title(run: Run) -> str:
    """What was trained on what, as "Training and validation loss (Grimm; quick profile)"."""
    profile, *changes = run.profile.split(", ")
    # Such as "steps 500", as a run is described.
    changes = [" ".join(reversed(change.split(" ", 1))) for change in changes]
    parts = [_TEXTS.get(run.corpus, run.corpus), ", ".join([f"{profile} profile", *changes])]
    if not run.is_finished:
        parts.append(f"{run.steps:,} of {run.steps_planned:,} steps")
    return f"Training and validation loss ({'; '.join(parts)})"
