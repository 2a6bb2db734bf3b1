"""The vocabulary of verdicts, the record of a notebook's verdicts, and its comparison with the gradebook."""

import builtins
import dataclasses
import json
import os
import stat

import pytest

from dl1.contract import checks
from proctor.checking import verdict
from proctor.checking.verdict import (
    Record,
    Verdict,
    compare,
    exception_kind,
    hidden_text,
    load,
    no_verdict,
    plain,
    record_path,
)
from proctor.errors import ProctorError


def passed(grade_id):
    return Verdict(grade_id, True, "", "", False, "passed", "")


def failed(grade_id):
    return Verdict(
        grade_id, False, "wrong shape", "rows", True, hidden_text("rows", "wrong shape"), "all of it", ["a note"]
    )


@pytest.fixture
def record():
    verdicts = {one.grade_id: one for one in (passed("q1"), failed("q2"), passed("q3"))}
    return Record("a2", "ada", "2a", "00ff", "0.1.0", "bwrap", {"q1": 1.0, "q2": 2.0, "q3": 0.5}, verdicts, ["said"])


def test_vocabulary_holds_the_kinds_of_the_checks_and_names_of_builtin_exceptions():
    assert set(verdict.CHECK_KINDS) == set(checks.KINDS)
    assert all(issubclass(getattr(builtins, name), Exception) for name in verdict.EXCEPTION_NAMES)


@pytest.mark.parametrize(("grade_passed", "kind"), [(True, "wrong value"), (False, ""), (False, "boom"), (1, "")])
def test_a_verdict_outside_of_the_vocabulary_is_refused(grade_passed, kind):
    with pytest.raises(ValueError, match="not a verdict"):
        Verdict("q1", grade_passed, kind, "", False, "", "")


def test_no_verdict_is_zero_with_a_note_and_nothing_for_the_student():
    one = no_verdict("q1", "the checker died\nbadly", "details")
    assert not one.passed
    assert one.notes == ["no verdict for q1: the checker died badly"]
    assert "died" not in one.student_text
    assert one.staff_text == "details"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["IndexError", "LookupError"], "exception: IndexError"),
        (["Leak_of_42", "ValueError", "Exception"], "exception: ValueError"),
        (["Leak_of_42", "Exception", "BaseException"], "exception"),
        ([], "exception"),
    ],
)
def test_only_allowed_names_of_exceptions_are_shown(names, kind):
    assert exception_kind(names) == kind
    assert kind in verdict.KINDS


def test_hidden_text_is_one_line_with_name_and_kind():
    assert hidden_text("rows\n sum to\t1", "wrong value") == "A hidden check failed: rows sum to 1 — wrong value"
    assert hidden_text("", "time-out") == "A hidden check failed — time-out"
    assert len(hidden_text("x" * 10_000, "time-out")) < 300


def test_plain_text_can_be_written_anywhere():
    text = plain("a\ud800b\x1b[31m\x00c\u202e\n\tÄ — √2 🙂")
    assert text.encode() == "a?b\ufffd[31m\ufffdc\ufffd\n\tÄ — √2 🙂".encode()
    assert plain("x" * 100, 10) == "x" * 10 + " …"


def test_saved_record_is_private_complete_and_the_same_when_loaded(record, tmp_path):
    path = record_path(tmp_path, "a2", "ada", "2a")
    assert path == tmp_path / "proctor_records" / "a2" / "ada" / "2a.json"
    old_mask = os.umask(0)
    try:
        record.save(path)
        record.save(path)
    finally:
        os.umask(old_mask)
    assert load(path) == record
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:3]} == {0o700}
    assert [file.name for file in path.parent.iterdir()] == ["2a.json"]


def test_a_save_that_fails_leaves_the_old_record(record, tmp_path, monkeypatch):
    path = tmp_path / "2a.json"
    record.save(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProctorError, match="No space left"):
        Record("a2", "bob", "2a", "", "0.1.0", "none", {}, {}).save(path)
    assert load(path) == record
    assert [file.name for file in tmp_path.iterdir()] == ["2a.json"]


def test_a_lone_surrogate_does_not_stop_a_save(tmp_path):
    path = tmp_path / "2a.json"
    name = "cell \ud800"
    Record("a2", "ada", "2a", "", "0.1.0", "none", {name: 1.0}, {name: passed(name)}).save(path)
    assert load(path).scores() == {name: 1.0}


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(part, tmp_path):
    for names in ((part, "ada", "2a"), ("a2", part, "2a"), ("a2", "ada", part)):
        with pytest.raises(ProctorError, match="can't name"):
            record_path(tmp_path, *names)


def change(content, **changes):
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "",
        lambda content: json.dumps(content)[:-20],
        lambda content: "[" * 100_000,
        lambda content: "[]",
        lambda content: change(content, schema=2),
        lambda content: change(content, verdicts={}),
        lambda content: change(content, points={"q1": "1", "q2": 2.0, "q3": 0.5}),
        lambda content: change(content, more=1),
        lambda content: change(content, student=None),
        lambda content: json.dumps(content).replace('"passed": true', '"passed": 1'),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(record, tmp_path, damage):
    path = tmp_path / "2a.json"
    record.save(path)
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(ProctorError, match="grade this notebook again") as raised:
        load(path)
    assert "\n" not in str(raised.value)


def test_only_regular_files_are_read(record, tmp_path):
    record.save(tmp_path / "real.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    os.mkfifo(tmp_path / "fifo.json")
    for name in ("link.json", "fifo.json", "absent.json", "."):
        with pytest.raises(ProctorError, match="record"):
            load(tmp_path / name)


def test_a_record_needs_points_for_each_verdict(record):
    with pytest.raises(ValueError, match="points"):
        Record("a2", "ada", "2a", "", "0.1.0", "none", {"q1": 1.0}, record.verdicts)


def test_comparison_with_the_gradebook(record):
    assert compare(record, {"q1": 1.0, "q2": 0.0, "q3": 0.5}) == []
    assert compare(record, {"q1": 1, "q2": 0, "q3": 0.5, "essay": None}) == []
    assert compare(record, {"q1": 1, "q2": 0, "q3": 0.5, "code for hand grading, untouched": 0.0}) == []
    assert compare(record, {"q1": 1.0, "q2": 2.0, "q3": 0.5}) == ["q2: 2 in the gradebook, 0 by the verdict"]
    assert compare(record, {"q1": 1.0, "q2": None}) == [
        "q2: no score in the gradebook, 0 by the verdict",
        "q3: no score in the gradebook, 0.5 by the verdict",
    ]
    assert compare(record, {"q1": float("nan"), "q2": 0.0, "q3": 0.5, "q4": 1.0}) == [
        "q1: nan in the gradebook, 1 by the verdict",
        "q4: 1 in the gradebook, and no verdict",
    ]


def test_mistakes_are_said_in_the_words_of_the_catalogue():
    assert verdict.mistakes_text({}) == ""
    one = {"rope-halves": "your RoPE\n turns halves"}
    assert verdict.mistakes_text(one) == "What went wrong looks like this: your RoPE turns halves (rope-halves)"
    assert verdict.mistakes_text(one | {"none": "no RoPE"}) == (
        "What went wrong looks like one of these:\n- your RoPE turns halves (rope-halves)\n- no RoPE (none)"
    )


def test_mistakes_are_kept_in_the_record_and_one_without_them_can_be_read(record, tmp_path):
    mistaken = dataclasses.replace(record.verdicts["q2"], mistakes={"none": "no RoPE"})
    path = record_path(tmp_path, "a2", "ada", "2a")
    dataclasses.replace(record, verdicts=record.verdicts | {"q2": mistaken}).save(path)
    assert load(path).verdicts["q2"].mistakes == {"none": "no RoPE"}
    content = json.loads(path.read_text())
    del content["verdicts"]["q2"]["mistakes"]
    path.write_text(json.dumps(content))
    assert load(path).verdicts["q2"].mistakes == {}
    content["verdicts"]["q2"]["mistakes"] = {"none": 3}
    path.write_text(json.dumps(content))
    with pytest.raises(ProctorError, match="has another form"):
        load(path)


def test_what_has_passed_has_no_mistake():
    with pytest.raises(ValueError, match="has passed"):
        dataclasses.replace(passed("q1"), mistakes={"none": "no RoPE"})
