"""Figure of a language model's training."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from dl1.gpt.runs import Run

_COLOURS = {"training loss": "#0072B2", "validation loss": "#D55E00"}


def plot_losses(run: Run) -> Figure:
    """Training and validation loss over the steps, in nats per character, and the final loss as a line."""
    figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
    for name, colour in _COLOURS.items():
        axis.plot(run.curve["step"], run.curve[name], color=colour, label=name)
    axis.axhline(run.validation_loss, color="#5B6570", linestyle=":", label=f"at the end: {run.validation_loss:.3f}")
    axis.set(xlabel="step", ylabel="cross-entropy (nats per character)", title=f"Training on {run.corpus}{run.note}")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure
