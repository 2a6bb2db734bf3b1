import math
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn

from dl1.errors import CourseError
from dl1.gpt.widgets.rope_dial import RopeDial, rope_dial, score_line, show_dials, turned_vectors

CONFIG = SimpleNamespace(n_embd=48, n_head=3, block_size=128)


class Attention(nn.Module):
    """Rotary embedding through complex numbers."""

    def __init__(self, config):
        super().__init__()
        self.c_attn = nn.Linear(2, 2)

    def turn(self, x, T):
        half = x.shape[-1] // 2
        angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        pairs = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)

    def apply_rotary_emb(self, xq, xk, T):
        return self.turn(xq, T), self.turn(xk, T)


class OnlyQueries(Attention):
    def apply_rotary_emb(self, xq, xk, T):
        return self.turn(xq, T), xk


@pytest.fixture
def turned():
    return turned_vectors(Attention, CONFIG)


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def expected_score(distance: int) -> float:
    return sum(math.cos(distance * 10000 ** (-pair / 8)) for pair in range(8))


def test_arrows_and_scores_are_the_students(turned):
    assert turned.query.shape == turned.key.shape == (64, 16)
    assert turned.query[0].tolist() == [1.0, 0.0] * 8
    # Float32 angles of up to 63 radians are off by up to 4e-6.
    assert turned.query[5, :2].tolist() == pytest.approx([math.cos(5), math.sin(5)], abs=1e-5)
    assert turned.score(40, 33) == pytest.approx(expected_score(7), abs=1e-4)
    assert turned.knows_distance_only()
    assert turned.curve(n=2, moved=30, reach=4) == [
        (distance, pytest.approx(expected_score(distance), abs=1e-4)) for distance in (-2, -1, 0, 1)
    ]


def test_dials_go_from_the_fastest_pair_to_the_slowest(turned):
    assert turned.pairs() == [0, 1, 2, 7]
    assert [turned.speed(pair) for pair in turned.pairs()] == pytest.approx([1, 10**-0.5, 0.1, 10**-3.5])
    assert turned_vectors(Attention, SimpleNamespace(n_embd=4, n_head=2, block_size=9)).pairs() == [0]


def test_moving_both_keeps_the_score(turned):
    dial = RopeDial(turned)
    before = dial.picture.value
    assert (dial.m.max, dial.n.max, dial.both.max) == (31, 31, 32)
    dial.m.value, dial.n.value, dial.both.value = 31, 0, 32
    assert dial.picture.value != before
    assert "at positions 63 and 32, distance m − n = 31" in dial.picture.value
    assert f"Before moving both by 32: {expected_score(31):.3f}, the same" in dial.picture.value


def test_the_arrow_stands_at_its_angle(turned):
    dial = RopeDial(turned)
    dial.m.value, dial.n.value = 2, 0
    query, key = re.findall(r'<line x1="75.0" y1="75.0" x2="([\d.]+)" y2="([\d.]+)"', dial.picture.value)[:2]
    # Centre 75, radius 58, a page's y axis points down; one decimal is written.
    assert [float(number) for number in query] == pytest.approx(
        [75 + 58 * math.cos(2), 75 - 58 * math.sin(2)], abs=0.06
    )
    assert [float(number) for number in key] == [133.0, 75.0]
    assert "query turned by 2.00, key by 0.00 radians" in dial.picture.value


def test_a_mistake_is_seen():
    wrong = turned_vectors(OnlyQueries, CONFIG)
    assert not wrong.knows_distance_only()
    assert "NOT the same" in score_line(wrong, 3, 1, 5)
    assert wrong.curve(n=1, moved=5, reach=1) == [(-1, pytest.approx(expected_score(5), abs=1e-4))]
    dial = RopeDial(wrong)
    assert "same" not in dial.picture.value
    dial.both.value = 5
    assert "NOT the same" in dial.picture.value
    assert "depends on more than m − n" in show_dials(wrong).get_suptitle()


def test_figure_for_print(turned):
    figure = show_dials(turned)
    assert "knows only m − n" in figure.get_suptitle()
    lines = figure.axes[-1].get_lines()
    assert [line.get_label() for line in lines] == [f"key at position {place}" for place in (2, 12, 34)]
    for line in lines[1:]:
        assert list(line.get_xdata()) == list(range(-2, 30))
        # Sums of eight products of float32 numbers.
        assert list(line.get_ydata()) == pytest.approx(list(lines[0].get_ydata()), abs=1e-4)
    figure.canvas.draw()


def test_the_notebooks_random_numbers_stay_as_they_are():
    before = torch.get_rng_state()
    turned_vectors(Attention, CONFIG)
    assert torch.equal(torch.get_rng_state(), before)


class Unfinished(Attention):
    def apply_rotary_emb(self, xq, xk, T):
        raise NotImplementedError("finish Question 2.6 first")


class Single(Attention):
    def apply_rotary_emb(self, xq, xk, T):
        return xq


class Shorter(Attention):
    def apply_rotary_emb(self, xq, xk, T):
        return xq, xk[:, :, 1:]


class Infinite(Attention):
    def apply_rotary_emb(self, xq, xk, T):
        return xq, xk / 0


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        (Unfinished, "nothing to show yet: finish Question 2.6 first"),
        (Single, "must give two tensors"),
        (Shorter, r"gave \(1, 3, 63, 16\) for the keys \(1, 3, 64, 16\)"),
        (Infinite, "NaN or infinite numbers for the keys"),
        (lambda config: nn.Linear(2, 2), "apply_rotary_emb stopped with AttributeError"),
    ],
)
def test_what_cannot_be_drawn_becomes_a_line(monkeypatch, capsys, attention, words):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(CourseError, match=words):
        turned_vectors(attention, CONFIG)
    rope_dial(attention, CONFIG)
    assert capsys.readouterr().out.startswith("No dial: ")
    assert not plt.get_fignums()


def test_too_small_a_model_is_refused():
    with pytest.raises(CourseError, match="at least 4 positions"):
        turned_vectors(Attention, SimpleNamespace(n_embd=4, n_head=2, block_size=3))


@pytest.mark.parametrize("word", ["", "autograde"])
def test_a_dial_only_where_somebody_can_turn_it(monkeypatch, word):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    rope_dial(Attention, CONFIG)
    assert len(displayed) == (0 if word else 1)
    assert len(plt.get_fignums()) == 1
