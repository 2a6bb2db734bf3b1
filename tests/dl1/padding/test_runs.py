"""The whole padding experiment: profiles, keeping, going on, and what nbgrader's own run of a notebook does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from dl1.errors import CourseError
from dl1.notebook import runs
from dl1.padding import runs as padding_runs
from dl1.padding.kept_nets import load_weights, weights_file
from dl1.padding.nets import PaddingNet
from dl1.padding.runs import PROFILES, Profile, result_file, train_configurations

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(runs.PROFILE_VARIABLE, raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def trained(monkeypatch):
    """Jobs that were trained; their results are made up from the seed."""
    jobs = []

    def train(missing, processes):
        for job in missing:
            jobs.append(job)
            net_type, conv_type, seed, epochs = job
            run = {"seed": seed, "validation": 1.0, "test": seed / 10, "curve": [1.0, 0.5], "cpu_seconds": 1.0}
            yield job, run, f"weights of {seed}".encode()

    monkeypatch.setattr(padding_runs, "_trained", train)
    return jobs


def kept(net_type: str, conv_type: str, epochs: int) -> list[int]:
    path = Path("runs/1a_padding") / result_file(net_type, conv_type, epochs)
    return [run["seed"] for run in json.loads(path.read_text())["runs"]]


def test_profiles_share_what_has_as_many_epochs(trained):
    results = train_configurations("Net1", "standard", ["valid", "sconv"])
    assert [(conv_type, seed) for _, conv_type, seed, _ in trained] == [
        (conv_type, seed) for conv_type in ("valid", "sconv") for seed in range(3)
    ]
    assert list(results) == ["valid", "sconv"]
    assert [run["test"] for run in results["valid"]] == [0.0, 0.1, 0.2]
    assert results.note == "standard profile"
    trained.clear()
    results = train_configurations("Net1", "full", ["valid"])
    assert [seed for _, _, seed, _ in trained] == list(range(3, 10))
    assert len(results["valid"]) == 10
    assert results.note == ""
    trained.clear()
    assert len(train_configurations("Net1", "standard", ["valid"])["valid"]) == 3
    assert trained == []
    train_configurations("Net1", "quick", ["valid"])
    assert trained == [("Net1", "valid", 0, PROFILES["quick"].epochs)]


def test_weights_of_the_first_initialisation_are_kept_and_made_where_they_are_missing(trained):
    train_configurations("Net1", "standard", ["valid", "sconv"])
    weights = Path("runs/1a_padding") / weights_file("Net1", "valid", PROFILES["standard"].epochs)
    assert weights.read_bytes() == b"weights of 0"
    assert len(list(weights.parent.glob("*.safetensors"))) == 2
    # As where an older version has left results only.
    weights.unlink()
    trained.clear()
    assert len(train_configurations("Net1", "standard", ["valid", "sconv"])["valid"]) == 3
    assert [job[1:3] for job in trained] == [("valid", 0)]
    assert weights.exists()


def test_quick_is_the_choice_without_a_gpu(trained, capsys):
    assert train_configurations("Net2", conv_types=["fconv"]).note == "quick profile"
    assert "Net2, quick profile: 1 initialisations, 15 epochs at most" in capsys.readouterr().out


def test_what_was_finished_before_an_interruption_is_kept(trained, monkeypatch):
    whole = padding_runs._trained

    def interrupted(missing, processes):
        for number, result in enumerate(whole(missing, processes)):
            if number == 4:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(padding_runs, "_trained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_configurations("Net1", "standard", ["valid", "sconv"])
    assert kept("Net1", "valid", 50) == [0, 1, 2]
    assert kept("Net1", "sconv", 50) == [0]
    trained.clear()
    monkeypatch.setattr(padding_runs, "_trained", whole)
    train_configurations("Net1", "standard", ["valid", "sconv"])
    assert [(conv_type, seed) for _, conv_type, seed, _ in trained] == [("sconv", 1), ("sconv", 2)]


@pytest.mark.parametrize("word", ["validate", "autograde"])
def test_nothing_is_trained_again_under_nbgrader(trained, monkeypatch, word):
    train_configurations("Net1", "standard", ["valid", "sconv"])
    trained.clear()
    monkeypatch.setenv("NBGRADER_EXECUTION", word)
    monkeypatch.setenv(runs.PROFILE_VARIABLE, "full")
    results = train_configurations("Net1", conv_types=["valid", "sconv"])
    assert trained == []
    assert [len(found) for found in results.values()] == [3, 3]
    assert results.note == "reduced profile"


def test_a_few_batches_where_nothing_was_handed_in(trained, monkeypatch, capsys):
    train_configurations("Net2", "standard", ["valid"])
    trained.clear()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    results = train_configurations("Net2", conv_types=["valid", "sconv"])
    assert [len(found) for found in results.values()] == [3, 1]
    assert len(results["sconv"][0]["curve"]) == 1
    assert "no results were handed in" in results.note
    assert "one batch of images is trained for what is missing" in capsys.readouterr().out
    assert not (Path("runs/1a_padding") / result_file("Net2", "sconv", 50)).exists()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"runs": [{"seed": 0}]},
        {"runs": [{"seed": "0", "validation": 1.0, "test": 1.0}]},
        {"runs": [{"seed": 0, "validation": 1.0, "test": 87.0}]},
        {"runs": 3},
    ],
)
def test_a_file_that_holds_something_else_is_named(trained, content):
    path = runs.run_folder("1a_padding") / result_file("Net1", "valid", 50)
    runs.save_result(path, content)
    with pytest.raises(CourseError, match="holds no results of this experiment: delete it"):
        train_configurations("Net1", "full", ["valid"])


@pytest.mark.parametrize("arguments", [("Net3",), ("Net1", None, ["same"])])
def test_unknown_names_are_refused(arguments):
    with pytest.raises(CourseError, match="net_type is one of Net1, Net2"):
        train_configurations(*arguments)


TWO_NETS = """
from dl1.padding import runs as padding_runs
padding_runs.PROFILES = {"quick": padding_runs.Profile(2, 1), "full": padding_runs.Profile(2, EPOCHS)}
if __name__ == "__main__":
    results = padding_runs.train_configurations("Net1", PROFILE, ["valid"], processes=2)
    print([run["seed"] for run in results["valid"]], [len(run["curve"]) for run in results["valid"]])
"""


@pytest.mark.slow
def test_processes_train_side_by_side(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_NETS.replace("EPOCHS", "1").replace("PROFILE,", '"quick",'))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[0, 1] [1, 1]", done.stderr
    assert len(list((tmp_path / "runs" / "1a_padding" / "events").iterdir())) == 2
    assert set(load_weights(tmp_path / "runs" / "1a_padding" / weights_file("Net1", "valid", 1))) == set(
        PaddingNet("Net1", "valid").state_dict()
    )


def living(group: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of Linux and macOS")
def test_an_interruption_ends_all_processes(tmp_path):
    script = tmp_path / "long.py"
    script.write_text(TWO_NETS.replace("EPOCHS", "1_000").replace("PROFILE,", '"full",'))
    process = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    )
    # Jupyter interrupts the whole group of a kernel's processes; it has started when its bar appears.
    shown = ""
    while "net/s" not in shown:
        # The bar ends in no newline.
        letter = process.stderr.read(1)
        assert letter, shown
        shown += letter
    time.sleep(5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 30
    while left := living(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_workers_leave_an_interruption_to_the_process_that_started_them(monkeypatch):
    asked = []
    monkeypatch.setattr(signal, "signal", lambda *arguments: asked.append(arguments))
    torch.set_num_threads(2)
    padding_runs._one_thread()
    assert asked == [(signal.SIGINT, signal.SIG_IGN)]
    assert torch.get_num_threads() == 1


def test_profiles_are_ordered_by_size():
    sizes = [profile.initialisations * profile.epochs for profile in PROFILES.values()]
    assert sizes == sorted(sizes)
    assert PROFILES["full"] == Profile(10, 50)
