"""Texts of random letters that say everything again."""

import torch

from dl1.gpt.induction import _looked_at, _texts


def test_texts_begin_anew_after_periods_of_a_quarter_to_a_half():
    torch.manual_seed(0)
    texts = _texts(200)
    periods = [next(p for p in range(1, 33) if torch.equal(row[p:], row[:-p])) for row in texts]
    assert (min(periods), max(periods)) == (8, 16)


def test_texts_that_are_looked_at_have_one_right_place_for_each_letter():
    shown = _looked_at()
    assert torch.equal(shown[:, 12:], shown[:, :-12])
    assert all(len(set(row[:12].tolist())) == 12 for row in shown)
