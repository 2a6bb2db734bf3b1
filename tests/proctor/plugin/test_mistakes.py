from dataclasses import replace

import pytest

from proctor.checking.verdict import NOT_FINISHED, Record, Verdict, record_path
from proctor.plugin.mistakes import MistakesApp, mistakes, records
from proctor.plugin.reading import Reading

HALVES, SIGN = {"halves": "you turn halves"}, {"sign": "your sign is wrong"}


def failed(name, kind="wrong value", what="turned", **mistakes):
    return Verdict(name, False, kind, what, True, "", "", mistakes=mistakes)


def passed(name):
    return Verdict(name, True, "", "", False, "", "")


def record(student, *verdicts, notebook="2a"):
    by_name = {one.grade_id: one for one in verdicts}
    return Record("hw", student, notebook, "00", "0.1.0", "bwrap", dict.fromkeys(by_name, 1.0), by_name)


def test_students_are_counted_by_mistake_and_failures_without_a_name_together():
    found = [
        record("ada", failed("q1", **HALVES), failed("q2", **HALVES), passed("q3")),
        record("ben", failed("q1", **HALVES), failed("q2"), failed("q3", "exception: KeyError", "")),
        record("cyd", failed("q1", **HALVES, **SIGN), failed("q2"), failed("q3", NOT_FINISHED)),
        record("dan", failed("q1", **SIGN)),
        record("dan", passed("q9"), notebook="2b"),
    ]
    assert mistakes(found) == [
        "2a:",
        "  2 students (1 student perhaps): halves: you turn halves",
        "  1 student (1 student perhaps): sign: your sign is wrong",
        "  2 students unexplained: q2: turned: wrong value",
        "  1 student unexplained: q3: a check: exception: KeyError",
        "2b: no failed check",
    ]


def test_those_who_answered_alike_are_counted_together_and_one_is_named():
    alike, other, lonely = "a" * 16, "b" * 16, "c" * 16
    answers = {"ada": alike, "ben": other, "cyd": alike, "dan": lonely, "eve": "", "fay": alike, "gus": other}
    found = [record(student, replace(failed("q1"), answer=one)) for student, one in answers.items()]
    assert mistakes([*found, record("hal", replace(failed("q1", "exception: KeyError"), answer=alike))]) == [
        "2a:",
        "  3 students answered alike on q1, unexplained: turned: wrong value (one is ada)",
        "  2 students unexplained: q1: turned: wrong value",
        "  2 students answered alike on q1, unexplained: turned: wrong value (one is ben)",
        "  1 student unexplained: q1: turned: exception: KeyError",
    ]


def test_a_mistake_that_is_only_perhaps_one_is_counted_as_that():
    assert mistakes([record("ada", failed("q1", **HALVES, **SIGN))]) == [
        "2a:",
        "  (1 student perhaps): halves: you turn halves",
        "  (1 student perhaps): sign: your sign is wrong",
    ]


@pytest.fixture
def course(tmp_path):
    for one in (record("ada", failed("q1", **HALVES)), record("ben", failed("q1", **SIGN))):
        one.save(record_path(tmp_path, "hw", one.student, "2a"))
    (tmp_path / "proctor_records" / "hw" / "ben" / "2a.json").write_text("{")
    return tmp_path


def test_records_that_can_not_be_read_are_said(course):
    # What TAs have read, which is no record of a notebook.
    Reading(course, "hw", "ada").write("2a", {"q1": "digest"})
    found, lines = records(course, "hw")
    assert [one.student for one in found] == ["ada"]
    assert len(lines) == 1
    assert "ben" in lines[0]


def test_the_command_prints_it(course, capsys):
    app = MistakesApp()
    app.initialize([f"--CourseDirectory.root={course}", "hw"])
    app.start()
    assert "1 student: halves: you turn halves" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["other"], ["hw", "hw"], ["../hw"]])
def test_the_command_says_what_is_missing(course, words):
    app = MistakesApp()
    app.initialize([f"--CourseDirectory.root={course}", *words])
    with pytest.raises(SystemExit):
        app.start()
