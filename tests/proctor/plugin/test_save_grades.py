"""What nbgrader's steps do to tests and to answers that were read, when a submission is graded again."""

from types import SimpleNamespace

import nbformat
import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, source_notebook

from proctor.checking.verdict import NO_VERDICT, Record, Verdict
from proctor.plugin import points, reading
from proctor.plugin.reading import Reading, digests
from proctor.plugin.save_grades import KeepSource, SaveGrades

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


def notebook(essay: str = "Because.", failed: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    made = nbformat.from_dict(source_notebook())
    for cell in made.cells:
        if cell.id == "essay":
            cell.source = essay
        if cell.id in failed:
            cell.outputs = [nbformat.v4.new_output("error", ename="CheckFailed", evalue="", traceback=[])]
    return made


def save(course, made: nbformat.NotebookNode, pictures: dict | None = None, graded: object = None) -> None:
    """As autograding does after it has run a notebook of ben's."""
    names = {"notebook": NOTEBOOK, "assignment": ASSIGNMENT, "student": "ben"}
    names["db_url"] = f"sqlite:///{course.root / 'gradebook.db'}"
    ours = {"root": course.root, "answers": digests(made, pictures or {}), "graded": graded}
    points.clear(course.directory(), ASSIGNMENT, "ben", [NOTEBOOK])
    SaveGrades().preprocess(made, {"nbgrader": names, "proctor": ours})


def grade(course, cell: str = "essay"):
    with course.gradebook() as gradebook:
        one = gradebook.find_grade(cell, NOTEBOOK, ASSIGNMENT, "ben")
        return one.auto_score, one.manual_score, one.needs_manual_grade


def test_an_answer_that_was_read_and_is_the_same_stays_read(graded):
    save(graded, notebook())
    assert grade(graded) == (None, None, True)
    graded.read_essay("ben", 4)
    for _ in range(2):
        save(graded, notebook())
        assert grade(graded) == (None, 4, False)


def test_another_text_asks_again_until_it_was_read_whatever_comes_between(graded):
    save(graded, notebook())
    graded.read_essay("ben", 4)
    save(graded, notebook("Why not?"))
    assert grade(graded) == (None, 4, True)
    save(graded, notebook("Why not?"))
    assert grade(graded) == (None, 4, True)
    save(graded, notebook())
    assert grade(graded) == (None, 4, True)
    graded.read_essay("ben", 3)
    save(graded, notebook())
    assert grade(graded) == (None, 3, False)


def test_another_picture_under_the_same_text_asks_again(graded, tmp_path):
    picture = tmp_path / "my curve.png"
    picture.write_bytes(b"1")
    text = "![](figures/my%20curve.png)"
    save(graded, notebook(text), {"figures/my curve.png": picture})
    graded.read_essay("ben", 4)
    save(graded, notebook(text), {"figures/my curve.png": picture})
    assert grade(graded)[2] is False
    picture.write_bytes(b"2")
    save(graded, notebook(text), {"figures/my curve.png": picture})
    assert grade(graded)[2] is True
    attached = notebook(text)
    attached.cells[3]["attachments"] = {"a.png": {"image/png": "AAAA"}}
    assert digests(attached, {}) != digests(notebook(text), {})


def test_points_over_a_tests_hold_while_the_test_says_the_same(graded):
    save(graded, notebook(failed=("q2",)))
    graded.change("ben", "q2", manual_score=1.5, needs_manual_grade=False)
    save(graded, notebook(failed=("q2",)))
    # Nothing was known of it when it was typed; so it is asked for once.
    graded.change("ben", "q2", needs_manual_grade=False)
    save(graded, notebook(failed=("q2",)))
    assert grade(graded, "q2") == (0, 1.5, False)
    save(graded, notebook())
    assert grade(graded, "q2") == (2, 1.5, True)
    save(graded, notebook())
    assert grade(graded, "q2") == (2, 1.5, True)


def record(**kinds: str) -> Record:
    verdicts = {name: Verdict(name, not kind, kind, "", False, "", "") for name, kind in kinds.items()}
    return Record(ASSIGNMENT, "ben", NOTEBOOK, "00", "0", "bwrap", dict.fromkeys(kinds, 1.0), verdicts)


def saved(course, **kinds: str) -> None:
    failed = tuple(name for name, kind in kinds.items() if kind)
    save(course, notebook(failed=failed), graded=SimpleNamespace(record=record(**kinds)))


def test_what_was_not_judged_waits_for_a_ta_and_what_was_wrong_does_not(graded):
    saved(graded, q1="wrong value", q2=NO_VERDICT)
    assert grade(graded, "q1") == (0, None, False)
    assert grade(graded, "q2") == (0, None, True)


def test_a_tas_points_for_it_stay_until_it_is_judged_otherwise(graded):
    saved(graded, q1="", q2=NO_VERDICT)
    graded.change("ben", "q2", manual_score=1.5, needs_manual_grade=False)
    saved(graded, q1="", q2=NO_VERDICT)
    assert grade(graded, "q2") == (0, 1.5, False)
    saved(graded, q1="", q2="")
    assert grade(graded, "q2") == (2, 1.5, True)


def test_once_it_is_judged_nobody_has_to_look(graded):
    saved(graded, q1="", q2=NO_VERDICT)
    saved(graded, q1="", q2="wrong value")
    assert grade(graded, "q2") == (0, None, False)


def test_when_it_stops_before_its_end_the_answer_is_to_be_read(graded, monkeypatch):
    save(graded, notebook())
    graded.read_essay("ben", 4)

    def stop(self, *args):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Reading, "write", stop)
        with pytest.raises(OSError, match="no room"):
            save(graded, notebook("Why not?"))
    save(graded, notebook("Why not?"))
    assert grade(graded)[2] is True


def test_what_is_known_stays_with_the_student_and_is_for_staff_only(graded):
    save(graded, notebook())
    (path,) = (graded.root / "proctor_records" / ASSIGNMENT / ".read").iterdir()
    assert path.name == "ben.json"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    known = Reading(graded.root, ASSIGNMENT, "ben")
    assert set(known.known(NOTEBOOK)) == {"essay", "q1", "q2"}
    path.write_text("[")
    assert known.known(NOTEBOOK) == {}
    known.write("2b", {"x": "1"})
    assert known.known("2b") == {"x": "1"}


def test_what_waits_is_kept_while_nbgrader_looks_for_the_files(graded):
    save(graded, notebook())
    graded.read_essay("ben", 4)
    save(graded, notebook("Why not?"))
    with points.waiting_kept(graded.directory(), ASSIGNMENT, "ben"):
        # As nbgrader does where a notebook was handed in under another name.
        graded.change("ben", "essay", auto_score=0, needs_manual_grade=False)
    assert grade(graded) == (None, 4, True)


def test_the_tests_of_the_source_stay_and_an_untouched_answer_is_known_by_its_checksum(graded):
    from nbgrader.utils import compute_checksum

    released = nbformat.v4.new_markdown_cell("Why?", metadata=dict(notebook().cells[3].metadata))
    with graded.gradebook() as gradebook:
        gradebook.update_or_create_source_cell(
            "essay", NOTEBOOK, ASSIGNMENT, cell_type="markdown", checksum=compute_checksum(released)
        )
    made = notebook("Why?")
    names = {"notebook": NOTEBOOK, "assignment": ASSIGNMENT, "db_url": f"sqlite:///{graded.root / 'gradebook.db'}"}
    made, _ = KeepSource().preprocess(made, {"nbgrader": names})
    # The gradebook's copy of it is "old".
    assert made.cells[1].source == "assert x"
    save(graded, made)
    assert grade(graded) == (0, None, False)
    assert reading.digests(made, {}).keys() == {"essay"}


def test_code_that_a_ta_reads_waits_until_it_was_read_also_when_points_are_cleared(graded):
    with graded.gradebook() as gradebook:
        gradebook.add_solution_cell("q1", NOTEBOOK, ASSIGNMENT)
    graded.change("ben", "q1", auto_score=None, needs_manual_grade=True)
    points.clear(graded.directory(), ASSIGNMENT, "ben", [NOTEBOOK])
    assert grade(graded, "q1") == (None, None, True)
    assert grade(graded, "q2") == (0, None, False)
