"""The command that trains: from a module to a run, its messages, and going on after signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dl1.gpt import session as gpt_session
from dl1.gpt import train_command as train
from dl1.gpt.runs import load_run
from dl1.gpt.training import PROFILES, Profile

ROOT = Path(__file__).resolve().parents[3]
SOURCE = (Path(__file__).parent / "one_head_gpt.py").read_text(encoding="utf-8")
SMALL = Profile("gpt-nano", 8, 0.1, 8, 1e-2, True, steps=12)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(tmp_path / "cache"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("DL1_PROFILE", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setitem(PROFILES, "quick", SMALL)
    Path("gpt.py").write_text(SOURCE)
    yield
    sys.modules.pop("gpt", None)


def test_from_a_module_to_a_run(capsys):
    assert train.main(["--corpus", "tales", "--device", "cpu"]) == 0
    run = load_run("runs/2b_gpt_training")
    assert (run.corpus, run.steps, run.profile) == ("embedded tales", 12, "quick")
    assert run.config["n_embd"] == 8
    assert run.config["vocab_size"] == len(run.characters) == run.tokenizer.vocab_size
    # The tales are a small text.
    assert run.config["resid_pdrop"] == 0.2
    assert f"validation loss {run.validation_loss:.3f} ± {run.validation_error:.3f}" in capsys.readouterr().out


def test_what_can_be_chosen():
    Path("mine.txt").write_text("a quick brown fox. " * 30)
    Path("elsewhere").mkdir()
    Path("gpt.py").rename("elsewhere/own.py")
    options = ["--module", "elsewhere/own.py", "--corpus", "mine.txt", "--preset", "gpt-mini", "--steps", "5"]
    assert train.main([*options, "--out", "results", "--seed", "3", "--device", "cpu"]) == 0
    run = load_run("results")
    assert (run.corpus, run.steps, run.seed, run.config["n_embd"]) == ("mine.txt", 5, 3, 24)
    assert run.profile == "quick, steps 5"
    assert not Path("runs").exists()
    sys.modules.pop("own", None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--module", "nowhere.py"], "nowhere.py was not found: run 2a to its end"),
        (["--preset", "gpt-huge"], "no preset is called 'gpt-huge'"),
        (["--device", "cuda"], "no cuda device"),
        (["--corpus", "bible"], "there is no corpus 'bible': choose one of grimm, tales, or give a text file"),
        (["--corpus", "missing.txt"], "missing.txt was not found"),
        (["--corpus", "short.txt"], "no position with a context of 8 before it"),
    ],
)
def test_mistakes_are_explained(capsys, arguments, says):
    Path("short.txt").write_text("too short")
    corpus = [] if "--corpus" in arguments else ["--corpus", "tales"]
    assert train.main([*corpus, *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("dl1.train: ")
    assert says in error
    assert len(error.splitlines()) == 1


def test_an_unfinished_model_is_named(capsys):
    text = SOURCE.replace("x = self.drop(self.embedding(idx))", 'raise NotImplementedError("finish Question 2.5")')
    Path("gpt.py").write_text(text)
    assert train.main(["--corpus", "tales", "--device", "cpu"]) == 1
    assert capsys.readouterr().err == "dl1.train: finish Question 2.5\n"


@pytest.mark.parametrize(
    ("arguments", "says"), [(["--steps", "0"], "must be 1 or more"), (["--profile", "x"], "quick")]
)
def test_wrong_options_are_named(capsys, arguments, says):
    with pytest.raises(SystemExit):
        train.main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_asks_to_be_started_again(monkeypatch, capsys, number):
    inner = gpt_session.Trainer.step

    def stopped(self):
        if self.done == 6:
            signal.raise_signal(number)
        return inner(self)

    monkeypatch.setattr(gpt_session.Trainer, "step", stopped)
    before = signal.getsignal(signal.SIGTERM)
    assert train.main(["--corpus", "tales", "--device", "cpu"]) == train.STOPPED == 75
    assert signal.getsignal(signal.SIGTERM) is before
    assert load_run("runs/2b_gpt_training").steps == 7
    assert "stopped after step 7 of 12" in capsys.readouterr().out
    monkeypatch.setattr(gpt_session.Trainer, "step", inner)
    assert train.main(["--corpus", "tales", "--device", "cpu"]) == 0
    assert "going on after step 7" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_as_an_undisturbed_one(tmp_path):
    """As a user sees it: a process that is killed, whatever it does, and the command given again."""
    program = (
        "import sys, dl1.gpt.session as s, dl1.gpt.train_command as t, platformdirs; from pathlib import Path\n"
        "platformdirs.user_cache_dir = lambda *names, **options: sys.argv[1]\n"
        "s._CHECKPOINT_SECONDS = s._CHECKPOINT_SHARE = 0\n"
        "sys.exit(t.main(['--corpus', 'tales', '--device', 'cpu', '--preset', 'gpt-nano', '--steps', '120',"
        " '--profile', 'quick', '--out', sys.argv[2]]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def command(name: str) -> subprocess.Popen:
        # A log of its own, and not a pipe, which would fill.
        with open(tmp_path / f"{name}.log", "a") as log:
            arguments = [sys.executable, "-c", program, str(tmp_path / f"{name}-cache"), name]
            return subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)

    undisturbed = command("whole")
    assert undisturbed.wait() == 0
    killed = command("killed")
    while killed.poll() is None and not (tmp_path / "killed" / "run.json").exists():
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert 0 < load_run("killed").steps < 120
    assert command("killed").wait() == 0
    assert "going on after step" in (tmp_path / "killed.log").read_text()
    whole, resumed = load_run("whole"), load_run("killed")
    # One thread: the same to the last bit.
    assert resumed.validation_loss == whole.validation_loss
    assert resumed.curve == whole.curve
    assert (tmp_path / "killed/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
