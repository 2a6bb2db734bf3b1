"""Training as a whole: what is kept, how it goes on, and nbgrader's own run of a notebook."""

import dataclasses
import json
import signal
from pathlib import Path

import pytest
import torch

from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt import session as gpt_session
from dl1.gpt.runs import RECORD, load_run
from dl1.gpt.session import chosen_profile, train_gpt
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer
from dl1.notebook import runs
from tests.dl1.gpt.small_training import CORPUS, FOLDER, TOKENIZER, Config, Small, model

pytestmark = pytest.mark.usefixtures("one_thread", "own_folder")


def test_it_learns_and_says_what_it_did(capsys):
    before = torch.get_rng_state()
    trained = model()
    torch.set_rng_state(before)
    run = train_gpt(trained, CORPUS, TOKENIZER)
    assert torch.equal(torch.get_rng_state(), before)
    assert run.model is trained
    assert not trained.training
    assert run.is_finished
    assert (run.steps, run.tokens_seen, run.profile, run.seed) == (40, 40 * 8 * 8, "quick", 0)
    assert run.config == dataclasses.asdict(Config())
    assert run.corpus_sha256 == CORPUS.sha256
    assert run.tokenizer.characters == TOKENIZER.characters
    assert (run.attention, run.compiled, run.torch) == ("step by step", False, torch.__version__)
    assert run.curve["step"] == list(range(5, 45, 5))
    assert run.curve["training loss"][0] > run.training_loss == run.curve["training loss"][-1]
    # An untrained model's loss is the logarithm of 13 characters, 2.6.
    assert 0 < run.validation_loss < 2.0
    assert 0 < run.validation_error < 0.3
    assert run.tokens_per_second > 0
    assert "quick profile on Grimm: 40 steps of 64 tokens on " in capsys.readouterr().out
    kept = load_run(FOLDER)
    assert kept.curve == run.curve
    assert kept.date == run.date
    assert len(list((FOLDER / "events" / "training").iterdir())) == 1
    assert list(Path("cache/checkpoints").iterdir()) == []


def test_trained_before_is_loaded(steps_done, capsys):
    first = train_gpt(model(), CORPUS, TOKENIZER)
    again = model()
    run = train_gpt(again, CORPUS, TOKENIZER)
    assert len(steps_done) == 40
    assert run.validation_loss == first.validation_loss
    # They were kept in half precision.
    torch.testing.assert_close(again.head.weight, first.model.head.weight, rtol=2**-10, atol=1e-6)
    assert "trained before, 40 steps on Grimm: loaded from" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["steps", "learning_rate", "seed", "corpus", "sizes"])
def test_another_experiment_is_trained_anew(steps_done, change):
    train_gpt(model(), CORPUS, TOKENIZER)
    steps_done.clear()
    options = {"steps": {"steps": 12}, "learning_rate": {"learning_rate": 1e-3}, "seed": {"seed": 5}}.get(change, {})
    corpus = Corpus("mine", CORPUS.text[5:]) if change == "corpus" else CORPUS
    run = train_gpt(model(n_embd=12) if change == "sizes" else model(), corpus, TOKENIZER, **options)
    assert len(steps_done) == (12 if change == "steps" else 40)
    if change in ("steps", "learning_rate"):
        assert run.profile == {"steps": "quick, steps 12", "learning_rate": "quick, learning_rate 0.001"}[change]


def test_other_code_with_the_same_shapes_is_trained_anew(steps_done, monkeypatch, capsys):
    train_gpt(model(), CORPUS, TOKENIZER)
    monkeypatch.setattr(Small, "shift", 3)
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert len(steps_done) == 80
    assert "the model's code has changed, so it is trained anew" in capsys.readouterr().out
    assert run.steps == 40


@pytest.mark.parametrize("at", [(17,), (20,), (3, 11, 30)])
def test_an_interrupted_training_ends_as_an_undisturbed_one(steps_done, capsys, at):
    whole = train_gpt(model(), CORPUS, TOKENIZER, folder=Path("whole"))
    weights = {name: weight.clone() for name, weight in whole.model.state_dict().items()}
    steps_done.clear()
    for number in at:
        steps_done.at = (number,)
        partial = train_gpt(model(), CORPUS, TOKENIZER)
        # The step in which somebody interrupts is finished first.
        assert partial.steps == number + 1
        assert not partial.is_finished
        assert load_run(FOLDER).steps == number + 1
        assert f"stopped after step {number + 1} of 40: run this again to go on" in capsys.readouterr().out
    steps_done.at = ()
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert steps_done == list(range(40))
    assert f"going on after step {at[-1] + 1}" in capsys.readouterr().out
    # In one thread everything is added in the same order: the results are the same to the last bit.
    for name, weight in run.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    assert run.curve == whole.curve
    assert run.validation_loss == whole.validation_loss


def test_a_killed_training_goes_on_from_its_last_checkpoint(steps_done, monkeypatch):
    whole = train_gpt(model(), CORPUS, TOKENIZER, folder=Path("whole"))
    monkeypatch.setattr(gpt_session, "_CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(gpt_session, "_CHECKPOINT_SHARE", 0)
    steps_done.clear()
    inner = Trainer.step

    def killed(self):
        if self.done == 25:
            raise SystemExit
        return inner(self)

    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(SystemExit):
        train_gpt(model(), CORPUS, TOKENIZER)
    interim = load_run(FOLDER)
    assert interim.steps == 25
    assert interim.note == " (quick profile, 25 of 40 steps)"
    monkeypatch.setattr(Trainer, "step", inner)
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert steps_done == list(range(40))
    assert run.validation_loss == whole.validation_loss
    assert run.curve == whole.curve


def test_a_second_interruption_does_not_wait(monkeypatch):
    def twice(self):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", twice)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_gpt(model(), CORPUS, TOKENIZER)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("damage", ["bytes", "other"])
def test_a_checkpoint_that_cannot_be_used_costs_only_time(steps_done, capsys, damage):
    whole = train_gpt(model(), CORPUS, TOKENIZER, folder=Path("whole"))
    steps_done.at = (9,)
    train_gpt(model(), CORPUS, TOKENIZER)
    steps_done.at = ()
    steps_done.clear()
    (checkpoint,) = Path("cache/checkpoints").iterdir()
    if damage == "bytes":
        checkpoint.write_bytes(b"nothing")
    else:
        state = torch.load(checkpoint, weights_only=True)
        torch.save({**state, "loss": state["loss"] + 1}, checkpoint)
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert "can't be used" in capsys.readouterr().out
    assert len(steps_done) == 40
    assert run.validation_loss == whole.validation_loss


def test_a_finished_run_gives_way_to_a_finished_one_only(steps_done, capsys):
    first = train_gpt(model(), CORPUS, TOKENIZER)
    steps_done.clear()
    steps_done.at = (4,)
    train_gpt(model(), CORPUS, TOKENIZER, seed=1)
    assert load_run(FOLDER).date == first.date
    assert load_run(FOLDER).seed == 0
    assert "holds another finished run (quick profile): it is replaced once" in capsys.readouterr().out
    steps_done.at = ()
    train_gpt(model(), CORPUS, TOKENIZER, seed=1)
    assert load_run(FOLDER).seed == 1


def test_a_damaged_run_is_replaced(capsys):
    FOLDER.mkdir(parents=True)
    (FOLDER / RECORD).write_text("{")
    assert train_gpt(model(), CORPUS, TOKENIZER).is_finished
    assert "an older run is not used, and will be replaced" in capsys.readouterr().out
    assert load_run(FOLDER).is_finished


def test_a_loss_that_is_not_finite_stops_with_advice(monkeypatch):
    monkeypatch.setattr(Small, "forward", lambda self, idx: self.head(self.hidden.weight.new_ones(*idx.shape, 32)) / 0)
    monkeypatch.setattr("dl1.gpt.session.check_model", lambda *given: None)
    with pytest.raises(CourseError, match=r"the loss is nan after step \d+: train again with a smaller learning rate"):
        train_gpt(model(), CORPUS, TOKENIZER)
    assert not (FOLDER / RECORD).exists()


def test_what_does_not_fit_is_said_first():
    with pytest.raises(CourseError, match="make the model with vocab_size=13"):
        train_gpt(model(vocab_size=9), CORPUS, CharTokenizer("abcdefghijklm"))
    with pytest.raises(CourseError, match="choose one of quick, full"):
        train_gpt(model(), CORPUS, TOKENIZER, profile="slow")
    with pytest.raises(CourseError, match="no cuda device"):
        train_gpt(model(), CORPUS, TOKENIZER, device="cuda")
    with pytest.raises(CourseError, match="no position with a context of 8"):
        train_gpt(model(), Corpus("mine", CORPUS.text[:70]), TOKENIZER)


def test_the_profile_in_use(monkeypatch):
    long = Corpus("Grimm", "abc " * 60_000)
    assert chosen_profile(long) is PROFILES["quick"]
    assert chosen_profile(long, "full") is PROFILES["full"]
    assert chosen_profile(CORPUS, "full") == dataclasses.replace(PROFILES["full"], dropout=0.2)
    monkeypatch.setenv(runs.PROFILE_VARIABLE, "full")
    assert chosen_profile(long) is PROFILES["full"]


def test_under_nbgrader_the_run_handed_in_is_loaded(steps_done, monkeypatch):
    trained = train_gpt(model(), CORPUS, TOKENIZER)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    steps_done.clear()
    given = model()
    run = train_gpt(given, CORPUS, TOKENIZER)
    assert steps_done == []
    assert run.model is given
    assert run.curve == trained.curve
    # There may be another text where submissions are graded, with another alphabet.
    other = Corpus("embedded tales", "xyz " * 100)
    run = train_gpt(model(vocab_size=4), other, CharTokenizer.from_text(other.text))
    assert run.corpus == "Grimm"
    assert run.model.config == Config()
    assert run.tokenizer.decode(run.tokenizer.encode("the cat")) == "the cat"
    assert torch.equal(run.model.head.weight, given.head.weight)


def test_under_nbgrader_a_few_steps_without_a_run(steps_done, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert steps_done == [0, 1, 2]
    assert "no run was handed in; 3 steps are trained" in capsys.readouterr().out
    assert len(run.curve["step"]) == 3
    assert run.note == " (a few steps profile)"
    assert not (FOLDER / RECORD).exists()
    assert list(Path("cache/checkpoints").iterdir()) == []


def test_under_nbgrader_a_damaged_run_is_an_error(monkeypatch):
    train_gpt(model(), CORPUS, TOKENIZER)
    record = json.loads((FOLDER / RECORD).read_text())
    (FOLDER / RECORD).write_text(json.dumps({**record, "steps": "many"}))
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(CourseError, match=r"run\.json holds no run of a language model"):
        train_gpt(model(), CORPUS, TOKENIZER)


def full_run_from_elsewhere() -> None:
    """What a cluster has trained, with another size of the model."""
    train_gpt(model(n_embd=24), CORPUS, TOKENIZER)
    record = json.loads((FOLDER / RECORD).read_text())
    (FOLDER / RECORD).write_text(json.dumps(record | {"profile": "full", "key": "another"}))


def test_a_full_run_is_not_replaced_by_a_quick_one_unasked(steps_done, capsys):
    full_run_from_elsewhere()
    steps_done.clear()
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert steps_done == []
    assert run.profile == "full"
    assert run.model.config.n_embd == 24
    assert "set DL1_PROFILE to quick" in capsys.readouterr().out


def test_a_full_run_gives_way_where_it_is_asked_for_or_no_longer_true(steps_done, monkeypatch):
    full_run_from_elsewhere()
    steps_done.clear()
    assert train_gpt(model(), CORPUS, TOKENIZER, profile="quick").profile == "quick"
    assert steps_done
    full_run_from_elsewhere()
    other = Corpus("Grimm", CORPUS.text.replace("cat", "tac"))
    assert train_gpt(model(), other, TOKENIZER).profile == "quick"
