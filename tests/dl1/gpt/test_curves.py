"""Figure of a training that was handed in."""

from pathlib import Path

import matplotlib.pyplot as plt

from dl1.gpt.curves import plot_losses
from dl1.gpt.runs import load_run

RUN = Path(__file__).resolve().parents[3] / "demo" / "handed_in" / "runs" / "2b_gpt_training"


def test_the_curves_are_those_of_the_record():
    run = load_run(RUN)
    figure = plot_losses(run)
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    for name in ("training loss", "validation loss"):
        assert list(lines[name].get_ydata()) == run.curve[name]
        assert list(lines[name].get_xdata()) == run.curve["step"]
    assert f"at the end: {run.validation_loss:.3f}" in lines
    # What was smaller than the whole experiment stands in the title.
    assert run.corpus in axis.get_title()
    assert "quick" in axis.get_title()
    plt.close(figure)
