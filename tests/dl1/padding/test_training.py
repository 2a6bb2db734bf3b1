"""Training of one network: it learns, stops, keeps its best weights, repeats."""

import pytest
import torch

from dl1.padding import training as padding_training
from dl1.padding.training import PATIENCE, train_net

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_learns_the_shortcut_within_three_epochs():
    _, run = train_net("Net2", "valid", seed=0, epochs=3)
    assert run["validation"] > 0.9
    assert run["test"] < 0.2
    assert len(run["curve"]) == 3
    assert run["curve"][1] < run["curve"][0]
    assert run["cpu_seconds"] > 0


def test_runs_repeat_and_seeds_differ():
    runs = [train_net("Net1", "valid", seed, epochs=1, most_batches=2)[1]["curve"] for seed in (0, 0, 1)]
    # Not exactly: threads may add in another order.
    assert runs[0] == pytest.approx(runs[1], rel=1e-4)
    assert runs[0] != pytest.approx(runs[2], rel=1e-4)


def test_best_weights_are_tested_and_waiting_ends(monkeypatch):
    losses = iter([0.5, 0.2, *[0.3] * 20])
    weights = []

    def measured(net, split, device, most):
        if split == "test":
            return 0.0, float(torch.equal(net.classifier.bias, weights[1]))
        weights.append(net.classifier.bias.detach().clone())
        return next(losses), 0.6

    monkeypatch.setattr(padding_training, "_measure", measured)
    _, run = train_net("Net1", "valid", 0, epochs=50, most_batches=1)
    assert run["test"] == 1.0
    assert len(run["curve"]) == 2 + PATIENCE + 1


def test_half_precision_follows_the_same_course():
    wide = train_net("Net1", "sconv", 0, epochs=1, precision="float32")[1]["curve"]
    narrow = train_net("Net1", "sconv", 0, epochs=1, precision="bfloat16")[1]["curve"]
    # Eight bits of mantissa: the loss of ten steps agrees to about two digits.
    assert narrow == pytest.approx(wide, rel=0.02)
