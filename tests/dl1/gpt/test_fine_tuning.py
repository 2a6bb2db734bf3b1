"""Fine-tuning: a copy learns the second text and forgets the first; what fails is said."""

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn as nn

from dl1.data.corpus import Corpus, load_corpus
from dl1.errors import CourseError
from dl1.gpt.fine_tuning import fine_tune, plot_fine_tuning, second_text
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer

pytestmark = pytest.mark.usefixtures("one_thread")

OLD, NEW = "ab" * 200, "ba cc " * 60


class Bigrams(nn.Module):
    """The next token depends on the one before alone."""

    block_size = 8

    def __init__(self, vocab_size):
        super().__init__()
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)

    def forward(self, idx):
        return self.table(idx)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    yield
    plt.close("all")


@pytest.fixture
def tokenizer():
    return CharTokenizer(OLD + NEW)


@pytest.fixture
def model(tokenizer):
    """It knows the old text: "a" is followed by "b", and "b" by "a"."""
    made = Bigrams(tokenizer.vocab_size)
    a, b = tokenizer.encode("ab").tolist()
    with torch.no_grad():
        made.table.weight[a, b] = made.table.weight[b, a] = 5.0
    return made


def greedy(model, idx, max_new_tokens, temperature, do_sample, top_p):
    assert (temperature, do_sample, top_p) == (0.8, True, 0.9)
    assert not model.training
    for _ in range(max_new_tokens):
        idx = torch.cat([idx, model(idx)[:, -1].argmax(-1, keepdim=True)], 1)
    return idx


def tuned(model, tokenizer, generate=None, **changes):
    settings = {"text": NEW, "steps": 60, "learning_rate": 0.3, "prompt": "b", "characters": 3, "positions": 20}
    return fine_tune(model, tokenizer, Corpus("tales", OLD), generate, **{**settings, **changes})


def test_the_copy_learns_the_new_text_and_forgets_the_old_one(model, tokenizer):
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.train()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    result = tuned(model, tokenizer, greedy)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert not result.model.training
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
    assert result.new_losses[-1] < result.new_losses[0] - 0.5
    assert result.old_losses[-1] > result.old_losses[0] + 0.5
    assert result.old_losses[0] == pytest.approx(torch.tensor([5.0, 0, 0, 0]).logsumexp(0).item() - 5, abs=1e-5)
    assert result.samples["before"] == "baba"
    # After "a" the old text goes on with "b", the new one with a space.
    assert result.samples["after"].startswith("ba ")
    assert result.steps[0] == 0
    assert result.steps[-1] == 60
    assert len(result.steps) == len(result.old_losses) == len(result.new_losses)


def test_the_table_and_what_is_printed_say_the_same(model, tokenizer):
    result = tuned(model, tokenizer, greedy)
    assert list(result.table.index) == ["old text (tales)", "new text (second text)"]
    assert result.table["change"].tolist() == [
        losses[-1] - losses[0] for losses in (result.old_losses, result.new_losses)
    ]
    shown = str(result)
    assert "after 60 steps" in shown
    assert f"{result.new_losses[-1]:.2f}" in shown
    assert "--- before ---\nbaba" in shown
    (axis,) = plot_fine_tuning(result).axes
    assert [line.get_ydata().tolist() for line in axis.lines] == [result.old_losses, result.new_losses]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["old text: tales", "new text: second text"]


def test_a_seed_repeats_it(model, tokenizer):
    assert tuned(model, tokenizer).new_losses == tuned(model, tokenizer).new_losses
    assert tuned(model, tokenizer, seed=1).new_losses != tuned(model, tokenizer).new_losses


def test_without_generate_there_are_no_samples(model, tokenizer):
    result = tuned(model, tokenizer)
    assert (result.samples, result.note) == ({}, "")


def test_what_stops_in_generate_is_said_and_costs_the_samples_alone(model, tokenizer):
    def unfinished(*arguments, **settings):
        raise NotImplementedError("finish Question 2.8 (`generate`)")

    result = tuned(model, tokenizer, unfinished)
    assert result.note == "No samples: nothing to show yet: finish Question 2.8 (`generate`)."
    assert str(result).endswith(result.note)
    assert result.steps[-1] == 60
    result = tuned(model, tokenizer, lambda *arguments, **settings: 1 / 0)
    assert result.note == "No samples: generate stopped with ZeroDivisionError: division by zero."


def test_two_steps_where_nbgrader_runs_the_notebook(model, tokenizer, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    result = tuned(model, tokenizer, greedy, characters=100)
    assert result.steps == [0, 1, 2]
    assert len(result.samples["after"]) == 21
    assert result.note.startswith("Only 2 steps")


def test_the_second_text_is_short_and_has_no_other_characters_than_the_tales():
    text = second_text()
    assert 4_000 < len(text) < 6_000
    assert text.isascii()
    assert set(text) <= set(load_corpus("tales").text)
    # Its last fifth, which is held out, is in the same voice.
    assert text[-len(text) // 5 :].count("HEAR YE!") >= 2


def test_the_second_text_is_the_default(tokenizer):
    tales = load_corpus("tales")
    tokenizer = CharTokenizer.from_text(tales.text)
    result = fine_tune(Bigrams(tokenizer.vocab_size), tokenizer, tales, steps=1, positions=4)
    assert result.new == "the herald's weather"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "larger than 0"),
        ({"learning_rate": 0}, "larger than 0"),
        ({"text": "Zebra"}, "doesn't know"),
        ({"text": "ab" * 8}, "no position with a context of 8"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(model, tokenizer, changes, words):
    with pytest.raises(CourseError, match=words):
        tuned(model, tokenizer, **changes)


def test_a_loss_that_is_no_number_stops_with_advice(model, tokenizer):
    with torch.no_grad():
        model.table.weight.fill_(float("nan"))
    with pytest.raises(CourseError, match="smaller learning rate"):
        tuned(model, tokenizer)
