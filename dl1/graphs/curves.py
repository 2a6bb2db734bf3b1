"""Figure and table of the graph networks' trainings."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

from dl1.graphs.training import PUBLISHED, RECIPES, Training

_SPLITS = {"training": "#0072B2", "validation": "#D55E00"}


def plot_curves(trainings: Sequence[Training]) -> Figure:
    """Training and validation accuracy over the epochs, one panel for each layer, on the same scale.

    Of several initialisations the mean is drawn, with a band of one standard deviation.
    """
    figure, axes = plt.subplots(
        1, len(trainings), figsize=(4.6 * len(trainings), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for axis, training in zip(axes[0], trainings, strict=True):
        for split, colour in _SPLITS.items():
            values = torch.tensor([curve[split] for curve in training.curves], dtype=torch.float64)  # (seeds, epochs)
            mean, spread = values.mean(0), values.std(0, correction=0)
            epochs = range(1, values.shape[1] + 1)
            axis.plot(epochs, mean, color=colour, label=split)
            axis.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        note = f"\n({training.note})" if training.note else ""
        axis.set_title(f"{training.name} on {training.data}{note}", fontsize=10)
        axis.set(xlabel="epoch", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("accuracy")
    axes[0][0].legend(loc="lower right")
    return figure


def accuracy_table(trainings: Sequence[Training]) -> pd.DataFrame:
    """Test accuracy in percent, mean ± standard deviation over the initialisations, beside the published one.

    As in part 1 the deviation divides by the number of initialisations.
    """
    rows = []
    for training in trainings:
        values = 100 * torch.tensor(training.test_accuracies(), dtype=torch.float64)
        spread = f" ± {values.std(correction=0):.1f}" if len(values) > 1 else ""
        recipe = RECIPES[training.recipe]
        rows.append(
            {
                "layer": training.name,
                "test accuracy (%)": f"{values.mean():.1f}{spread}",
                "initialisations": len(values),
                "published on Cora (%)": f"{100 * PUBLISHED[training.recipe]:.1f}",
                "data": training.data,
                "heads × hidden": f"{recipe.heads} × {recipe.hidden}",
                "dropout": recipe.dropout,
                "edge dropout": recipe.edge_dropout,
                "learning rate": recipe.learning_rate,
                "weight decay": recipe.weight_decay,
                "epochs": len(training.curves[0]["validation"]),
            }
        )
    return pd.DataFrame(rows).set_index("layer")
