"""Loss by position beyond the training length: what is measured where, and what the figure shows of it."""

import dataclasses
import math

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.beyond_training import (
    KINDS,
    BeyondTraining,
    losses_beyond_training,
    losses_by_position,
    plot_beyond_training,
)

TEXT = "the fox and the hen and the old mill " * 200


@dataclasses.dataclass
class Config:
    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int
    block_size: int
    embd_pdrop: float
    resid_pdrop: float
    attn_pdrop: float
    abs_emb: bool


class Model(nn.Module):
    """Token and position vectors and a head, which notes what it is asked."""

    made: list["Model"] = []  # noqa: RUF012

    def __init__(self, config):
        super().__init__()
        self.config, self.block_size, self.lengths = config, config.block_size, []
        tables = {"w_token_emb": config.vocab_size, "w_pos_emb": config.block_size}
        self.transformer = nn.ModuleDict({name: nn.Embedding(rows, 8) for name, rows in tables.items()})
        self.lm_head = nn.Linear(8, config.vocab_size)
        self.first_table = self.transformer["w_pos_emb"].weight.detach().clone()
        Model.made.append(self)

    def forward(self, idx):
        assert idx.shape[1] <= self.block_size
        self.lengths.append((idx.shape[1], self.training))
        x = self.transformer["w_token_emb"](idx)
        if self.config.abs_emb:
            x = x + self.transformer["w_pos_emb"](torch.arange(idx.shape[1], device=idx.device))
        return self.lm_head(x)


class Uneven(nn.Module):
    """Sure of token 0 at even positions, and without an opinion at odd ones."""

    def forward(self, idx):
        logits = torch.zeros(*idx.shape, 4)
        logits[:, ::2, 0] = 50.0
        return logits


def test_each_position_has_its_own_loss():
    losses = losses_by_position(Uneven(), torch.zeros(40).long(), length=8, windows=5)
    assert torch.allclose(losses, torch.tensor([0.0, math.log(4)] * 4))


def test_the_next_token_is_what_counts_not_the_token_itself():
    tokens = torch.tensor([0, 1] * 20)
    found = losses_by_position(Uneven(), tokens, length=8, windows=1)
    # One window, whichever: at even positions the model is right, or as wrong as it can be.
    assert found[0].item() in (pytest.approx(0.0), pytest.approx(50.0))
    # It begins with an even or an odd token of the text, and asks for the next one.
    start = (40 - 8) // 2
    assert found[0].item() == pytest.approx(50.0 if tokens[start + 1] else 0.0)


def test_a_text_without_a_window_is_refused():
    with pytest.raises(CourseError, match="no position"):
        losses_by_position(Uneven(), torch.zeros(8).long(), length=8)


def test_three_models_learn_from_short_windows_and_read_long_ones():
    Model.made.clear()
    before = torch.get_rng_state()
    found = losses_beyond_training(Model, Config, Corpus("fox", TEXT), steps=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert list(found.losses) == list(KINDS) == list(found.cropped)
    assert all(losses.shape == (512,) and losses.isfinite().all() for losses in found.losses.values())
    rope, learned, none = Model.made
    assert [one.config.abs_emb for one in Model.made] == [False, True, True]
    for model in Model.made:
        assert {length for length, training in model.lengths if training} == {64}
        assert {length for length, training in model.lengths if not training} == {64, 512}
    moved = (learned.transformer["w_pos_emb"].weight - learned.first_table).abs().sum(1) > 0
    assert moved[:64].all()
    assert not moved[64:].any()
    assert not none.transformer["w_pos_emb"].weight.any()
    # The same start for all three, so that only the positions are different.
    assert torch.equal(rope.first_table, learned.first_table)


def test_nothing_is_trained_for_long_while_a_notebook_is_graded(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert losses_beyond_training(Model, Config, Corpus("fox", TEXT)).steps == 2


def test_table_and_figure_say_what_was_trained_on():
    losses = {kind: torch.full((128,), float(i)) for i, kind in enumerate(KINDS)}
    found = BeyondTraining(64, "fox", 7, losses, dict.fromkeys(KINDS, 0.5))
    assert found.stretches() == [(0, 32), (32, 64), (64, 128)]
    assert str(found).splitlines()[2].split()[-4:] == ["1.00", "1.00", "1.00", "0.50"]
    figure = plot_beyond_training(found)
    axis = figure.axes[0]
    assert "fox, 7 steps" in axis.get_title()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label for label in labels if label in KINDS] == list(KINDS)
    assert "trained on: 64 characters" in labels
    plt.close(figure)
