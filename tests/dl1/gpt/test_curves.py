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
    assert f"their loss: {run.validation_loss:.3f}" in lines
    assert list(lines[f"their loss: {run.validation_loss:.3f}"].get_ydata()) == [run.validation_loss] * 2
    # What was smaller than the whole experiment stands in the title.
    assert axis.get_title() == "Training and validation loss (the kit's tales; quick profile, 500 steps)"
    plt.close(figure)


def test_the_point_whose_weights_are_kept_is_marked():
    run = load_run(RUN)
    run.kept_step, run.curve = 24, {**run.curve, "validation loss": [2.0, 1.25, *run.curve["validation loss"][2:]]}
    figure = plot_losses(run)
    (axis,) = figure.axes
    (dot,) = (line for line in axis.lines if line.get_label() == "kept: the weights of step 24")
    assert dot.get_xydata().tolist() == [[24, 1.25]]
    assert dot.get_marker() == "o"
    plt.close(figure)


def test_without_a_point_there_is_no_mark():
    run = load_run(RUN)
    run.curve = dict.fromkeys(run.curve, [])
    figure = plot_losses(run)
    assert [line.get_marker() for line in figure.axes[0].lines] == ["None"] * 3
    plt.close(figure)
