"""What a job does with accidents, with the order of its notebooks and with its files, without any sandbox."""

import errno
import pickle
import shutil

import pytest

from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.jobs import doing
from proctor.jobs.job import Accident, Done, Graded, Job, Task, load, packed, save
from proctor.sandbox.bubblewrap import SandboxUnavailable
from proctor.sandbox.limits import Limits
from proctor.submission import Keys, Surroundings

KEYS = Keys(b"checks", b"kernel")


def task(name: str, judged: bool = True) -> Task:
    return Task(name, {"cells": []}, f"digest of {name}", KEYS, ("a note",), judged)


@pytest.fixture
def seen(monkeypatch) -> list:
    """What the engine was asked to do; a notebook's name can be that of an accident."""
    asked = []
    accidents = {
        "broken": ValueError("of this notebook"),
        "full": OSError(errno.ENOSPC, "no room", "/somewhere"),
        "refused": ProctorError("do this"),
        "no sandbox": SandboxUnavailable("install it"),
        "stopped": KeyboardInterrupt(),
    }

    def did(judged: bool, notebook, submission, around, keys, budget):
        made = sorted(path.name for path in submission.results.iterdir()) if submission.results.exists() else []
        files = {path.name: path.read_text() for path in sorted(submission.files.iterdir())}
        asked.append((submission.notebook, judged, submission.digest, submission.notes, keys, files, made, budget))
        submission.results.mkdir(exist_ok=True)
        (submission.results / f"of {submission.notebook}").touch()
        if submission.notebook in accidents:
            raise accidents[submission.notebook]
        notebook["cells"].append(submission.notebook)
        return Record("ps1", submission.student, submission.notebook, submission.digest, "", around.kind, {}, {})

    monkeypatch.setattr(doing, "grade", lambda *words: did(True, *words))
    monkeypatch.setattr(doing, "name_mistakes", lambda *words: None)
    monkeypatch.setattr(doing, "run_for_results", lambda *words: did(False, *words))
    return asked


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "helper").write_text("text")
    return folder


def run(files, *tasks: Task) -> Done:
    return doing.run(Job("ps1", "ada", tasks, files, frozenset({"map.txt"})), Surroundings("none", Limits()))


def test_notebooks_are_done_in_order_with_what_earlier_ones_make_on_one_budget(seen, files):
    done = run(files, task("1a", judged=False), task("1b"), task("2a"))
    assert [(name, judged, made) for name, judged, *_, made, _ in seen] == [
        ("1a", False, []),
        ("1b", True, ["of 1a"]),
        ("2a", True, ["of 1a", "of 1b"]),
    ]
    for name, _, digest, notes, keys, files, _, _ in seen:
        assert (digest, notes, keys, files) == (f"digest of {name}", ["a note"], KEYS, {"helper": "text"})
    assert len({id(one[-1]) for one in seen}) == 1
    assert set(done.found) == {"1b", "2a"}
    assert done.found["1b"].notebook == {"cells": ["1b"]}
    assert (done.accident, done.used_up) == (None, "")


def test_each_notebook_is_told_as_soon_as_it_is_judged_and_again_from_the_start_if_the_job_is(seen, files, tmp_path):
    around, told = Surroundings("none", Limits()), []
    tasks = (task("1a", judged=False), task("1b"), task("broken"), task("2a"))
    save(tmp_path / doing.JOB, Job("ps1", "ada", tasks, files))
    for _ in range(2):
        doing.run_in(tmp_path, around, lambda: told.append([len(seen), (tmp_path / doing.JUDGED).read_text()]))
    after = [[2, "1b\n"], [3, "1b\nbroken\n"], [4, "1b\nbroken\n2a\n"]]
    assert told == [*after, *([number + 4, text] for number, text in after)]


def test_an_accident_in_a_notebook_costs_this_notebook(seen, files):
    done = run(files, task("broken"), task("full"), task("refused"), task("2a"))
    assert isinstance(done.found["2a"], Graded)
    assert done.accident is None
    found = pickle.loads(pickle.dumps(done.found))
    assert found["broken"].said == "ValueError: of this notebook"
    assert "Traceback" in found["broken"].details
    again = {name: found[name].again() for name in ("broken", "full", "refused")}
    assert isinstance(again["full"], OSError)
    assert (again["full"].errno, again["full"].filename) == (errno.ENOSPC, "/somewhere")
    assert (type(again["refused"]), str(again["refused"]), found["refused"].details) == (
        *(ProctorError, "do this"),
        "do this",
    )
    assert str(again["broken"]) == "ValueError: of this notebook"


@pytest.mark.parametrize("first", [task("no sandbox"), task("broken", judged=False)])
def test_what_is_wrong_for_all_notebooks_ends_the_job(seen, files, first):
    done = run(files, first, task("2a"))
    assert done.found == {}
    assert len(seen) == 1
    assert isinstance(pickle.loads(pickle.dumps(done)).accident.again(), ProctorError)


def test_a_run_that_is_stopped_leaves_nothing(seen, files, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run(files, task("1a"), task("stopped"))
    assert list(tmp_path.glob("proctor-*")) == []


def test_a_job_that_carries_its_files_does_the_same(seen, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "helper").write_text("text")
    carried = packed(Job("ps1", "ada", (task("1a"),), folder))
    assert packed(carried) is carried
    save(tmp_path / doing.JOB, carried)
    # On another machine.
    shutil.rmtree(folder)
    doing.run_in(tmp_path, Surroundings("none", Limits()))
    done = load(tmp_path / doing.DONE)
    assert done.found["1a"].notebook == {"cells": ["1a"]}
    assert seen[0][5] == {"helper": "text"}


def test_accidents_of_foreign_classes_can_be_sent():
    class Odd(OSError):
        def __init__(self, one, two):
            super().__init__(one)

    try:
        raise Odd("word", 2)
    except OSError as error:
        sent = pickle.loads(pickle.dumps(Accident.of(error)))
    assert "word" in str(sent.again())


def test_mistakes_are_named_when_all_notebooks_are_graded_and_accidents_of_it_cost_nothing(files, seen, monkeypatch):
    named = []

    def name(notebook, record, submission, around, budget):
        assert len(seen) == 3
        named.append((submission.notebook, record.notebook))
        if submission.notebook == "one":
            raise ValueError("of the catalogue")

    monkeypatch.setattr(doing, "name_mistakes", name)
    done = run(files, task("one"), task("broken"), task("two"))
    assert named == [("one", "one"), ("two", "two")]
    assert isinstance(done.found["one"], Graded)
    assert done.accident is None
    assert done.for_staff == ("mistakes in one have no names: ValueError: of the catalogue",)
