"""The loss of a model that is asked one token at a time."""

import math

import pytest
import torch

from dl1.errors import CheckFailed, CourseError
from dl1.gpt.handed_in_model import fitted, measured_loss

TEXT = "abcab" * 60
CLAIM = {"corpus": "embedded tales", "characters": "abc", "block_size": 4, "validation_loss": 1.0}


def test_guessing_costs_the_logarithm_of_the_vocabulary():
    loss = measured_loss(lambda contexts: torch.zeros(len(contexts), 3), CLAIM, 50, 0.5, text=TEXT)
    assert loss == pytest.approx(math.log(3))


def test_contexts_are_what_stands_before_the_scored_token():
    asked = []

    def ask(contexts):
        asked.append(contexts)
        # Knows the text: after "bcab" comes a, and so on.
        following = {"bcab": 0, "caba": 1, "abab": 2, "babc": 0, "abca": 1}
        logits = torch.zeros(len(contexts), 3)
        for row, context in enumerate(contexts.tolist()):
            logits[row, following["".join("abc"[i] for i in context)]] = 30.0
        return logits

    assert measured_loss(ask, CLAIM, 40, 0.3, text=TEXT) < 1e-6
    assert all(contexts.shape[1] == 4 for contexts in asked)


def test_another_shift_asks_at_other_positions():
    def contexts_of(shift):
        asked = []
        text = "".join("abc"[i] for i in torch.randint(3, (900,), generator=torch.Generator().manual_seed(1)).tolist())

        def ask(contexts):
            asked.append(contexts)
            return torch.zeros(len(contexts), 3)

        measured_loss(ask, CLAIM, 30, shift, text=text)
        return torch.cat(asked)

    assert not torch.equal(contexts_of(0.1), contexts_of(0.9))


@pytest.mark.parametrize(
    "logits", [None, "text", torch.zeros(3), torch.zeros(2, 3), torch.zeros(50, 3, dtype=torch.int64)]
)
def test_logits_of_another_form_fail_the_check(logits):
    with pytest.raises(CheckFailed, match="logits of the model"):
        measured_loss(lambda contexts: logits, CLAIM, 50, 0.5, text=TEXT)


def test_infinite_logits_fail_the_check():
    with pytest.raises(CheckFailed, match="not finite"):
        measured_loss(lambda contexts: torch.full((len(contexts), 3), math.inf), CLAIM, 50, 0.5, text=TEXT)


@pytest.mark.parametrize(
    "changes",
    [
        {"corpus": "diary"},
        {"corpus": None},
        {"characters": "aab"},
        {"characters": ["a", "b"]},
        {"characters": "a"},
        {"block_size": 0},
        {"block_size": "4"},
        {"block_size": 10**9},
    ],
)
def test_a_claim_that_makes_no_sense_fails_the_check(changes):
    with pytest.raises(CheckFailed):
        measured_loss(lambda contexts: torch.zeros(len(contexts), 3), CLAIM | changes, 50, 0.5, text=TEXT)


def test_a_vocabulary_that_leaves_out_what_is_hard_to_guess_fails_the_check():
    # Of "aaa...", which is what is left of this text in these characters, everything is easy.
    claim = CLAIM | {"characters": "a?"}
    with pytest.raises(CheckFailed, match="the characters of the run"):
        measured_loss(lambda contexts: torch.tensor([[9.0, 0.0]]).repeat(len(contexts), 1), claim, 20, 0.5, text=TEXT)


def test_a_character_of_another_edition_is_left_out():
    text = TEXT + "é"
    loss = measured_loss(lambda contexts: torch.zeros(len(contexts), 3), CLAIM, 50, 0.5, text=text)
    assert loss == pytest.approx(math.log(3))


def test_a_book_that_is_not_here_is_the_staffs_business(tmp_path, monkeypatch):
    monkeypatch.setenv("DL1_DATA", str(tmp_path))
    with pytest.raises(CourseError, match="download grimm"):
        measured_loss(lambda contexts: torch.zeros(len(contexts), 3), CLAIM | {"corpus": "Grimm"}, 50, 0.5)


def test_quotation_marks_of_another_edition_are_exchanged():
    assert fitted("“Yes,” said she — ‘no’!", "Yesaidhno, '\"-") == "\"Yes,\" said she - 'no'"
    assert fitted('"Yes"', "Yes”") == "”Yes”"
