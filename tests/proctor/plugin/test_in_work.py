"""A submission in work: its job goes and comes by its folder, and each notebook has a result or an accident."""

from dataclasses import replace
from pathlib import Path

import pytest

from dl1.merging.matching import Matched
from proctor.checking.verdict import Record
from proctor.errors import ProctorError
from proctor.intake.rebuild import Rebuilt
from proctor.intake.staging import Staged
from proctor.jobs.doing import DONE, JOB, JUDGED
from proctor.jobs.job import Accident, Done, Graded, Job, load, save
from proctor.plugin.execute import Execute
from proctor.plugin.in_work import InWork, files_in
from proctor.plugin.prepare import Prepared
from proctor.secret import Secret

RECORD = Record("ps1", "ada", "1a", "", "", "none", {}, {})


@pytest.fixture
def work(tmp_path) -> InWork:
    made = InWork("ps1", "ada", tmp_path / "ada")
    staged = Staged(tmp_path / "ada" / "files", Matched(), content="what was handed in")
    made.prepared = Prepared(staged, {name: Rebuilt({"cells": []}, [f"note on {name}"]) for name in ("1a", "1b", "2a")})
    return made


def test_each_notebook_has_a_result_or_an_accident(work):
    work.give(Job("ps1", "ada", (), Path("files")))
    assert load(work.folder / JOB).student == "ada"
    save(work.folder / DONE, Done({"1a": Graded({"cells": []}, RECORD), "1b": Accident("no luck", "in long")}))
    work.accidents["2b"] = Accident("before", "the job")
    work.take()
    said = {name: getattr(work.accident(name), "said", None) for name in ("1a", "1b", "2a", "2b")}
    assert said == {"1a": None, "1b": "no luck", "2a": "it was not graded", "2b": "before"}
    assert isinstance(work.accident("2a").again(), ProctorError)
    assert [work.resources(Path("/course"), name)["graded"] for name in ("1b", "2a")] == [None, None]
    # The digest of the file is from where the file lies, whatever the worker says.
    work.staged.matched.digests["1a"] = "f1" * 32
    for said in (None, "00"):
        work.done.found["1a"] = Graded({"cells": []}, replace(RECORD, file=said))
        assert work.resources(Path("/course"), "1a")["graded"].record == replace(RECORD, file="f1" * 32)


def test_how_many_notebooks_are_judged_can_be_seen_before_the_job_is_done(work):
    assert work.judged() == 0
    work.give(Job("ps1", "ada", (), Path("files")))
    (work.folder / JUDGED).write_text("1a\n1b\n")
    assert work.judged() == 2


def test_keys_and_digest_are_those_of_this_submission_and_the_secret_stays(work):
    secret = Secret(b"s" * 32)
    task = work.task("1a", {"cells": []}, secret, judged=False)
    digest = work.staged.digest("1a")
    assert (task.digest, task.notes, task.judged) == (digest, ("note on 1a",), False)
    own = secret.key("checks", "ada", digest), secret.key("student kernel", "ada", digest)
    assert task.keys[:2] == own
    assert len({*task.keys}) == 3
    work.give(Job("ps1", "ada", (task,), work.staged.files))
    assert secret.value not in (work.folder / JOB).read_bytes()


def test_at_its_end_nothing_of_it_is_left(work, tmp_path):
    work.give(Job("ps1", "ada", (), Path("files")))
    work.holding.callback((tmp_path / "let go").touch)
    work.close()
    work.close()
    assert [path.name for path in tmp_path.iterdir()] == ["let go"]


def test_paths_beside_the_notebooks(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").touch()
    (tmp_path / "1a.ipynb").touch()
    assert files_in(tmp_path) == {"figures/a.svg", "1a.ipynb"}


@pytest.mark.parametrize("found", [None, Graded({"cells": []}, RECORD)])
def test_the_result_of_another_notebook_is_not_stored(found, tmp_path):
    ours = {"proctor": {"root": tmp_path, "graded": found}}
    names = {"nbgrader": {"assignment": "ps1", "student": "ada", "notebook": "1b"}}
    with pytest.raises(ProctorError, match="1b: there is no result of this notebook"):
        Execute().preprocess({}, ours | names)
    assert list(tmp_path.iterdir()) == []
