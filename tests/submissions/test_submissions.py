"""The hostile and the unlucky: real submissions through autograde and feedback, graded in one batch."""

import html.parser
import json
import os
import re

import exercise
import hostile
import hostile_answers
import hostile_files
import hostile_limits
import hostile_pages
import hostile_sandbox
import psutil
import pytest
import unlucky
import unlucky_files
import unlucky_mistakes
import unlucky_needed
import unlucky_pages
import unlucky_promote
import unlucky_rerun
import unlucky_rows
import unlucky_sibs
from course_folder import ROOT, Course

from proctor.sandbox.bubblewrap import availability

pytestmark = [
    # All submissions are graded before the first test.
    pytest.mark.timeout(2700),
    pytest.mark.slow,
    pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}"),
]
ALL_CASES = [
    *hostile.CASES,
    *hostile_answers.CASES,
    *hostile_files.CASES,
    *hostile_pages.CASES,
    *hostile_sandbox.CASES,
    *hostile_limits.CASES,
    *unlucky.CASES,
    *unlucky_files.CASES,
    *unlucky_mistakes.CASES,
    *unlucky_needed.CASES,
    *unlucky_pages.CASES,
    *unlucky_promote.CASES,
    *unlucky_rerun.CASES,
    *unlucky_rows.CASES,
    *unlucky_sibs.CASES,
]
# Others of their kinds are graded anyway, and the tests of intake have each of them; together they take minutes.
MORE = {
    *("text-file", "backup", "below", "rar", "split-in-three", "copied-too-late", "copied-untouched", "retyped"),
    *("retyped-as-text", "retyped-further-up", "retyped-below", "moved-up", "merged", "bare-wrong", "colab-ids"),
    *("import-above", "essay-pieces", "essay-below", "shadowed-by-torch"),
    *("zip-by-another-name", "page"),
}
WHOLE = "PROCTOR_ALL_SUBMISSIONS"
# With it, the same outcomes are asked of one submission after the other, each notebook in a sandbox from nothing.
SWITCHED_OFF = "PROCTOR_SWITCHED_OFF"
CASES = [case for case in ALL_CASES if WHOLE in os.environ or case.name not in MORE]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """All cases graded in one batch, with an honest student before and behind them."""
    made = Course(tmp_path_factory.mktemp("submissions"))
    off, later = "c.Proctor.warm, c.Proctor.workers = [], 1\n", 'c.Proctor.warm_later = ["fractions"]\n'
    with (made.folder / "nbgrader_config.py").open("a") as config:
        config.write(off if SWITCHED_OFF in os.environ else later)
    for name in ("aaa_honest", "zzz_honest"):
        made.submit(name, exercise.Handed.write)
    for case in CASES:
        made.submit(case.name, case.make)
    made.before = made.source_state()
    made.log = made.nbgrader("autograde", exercise.ASSIGNMENT)
    made.log += made.nbgrader("generate_feedback", exercise.ASSIGNMENT)
    made.graded = made.points()
    return made


def test_every_case_stands_in_the_docs():
    text = (ROOT / "docs" / "grading.md").read_text()
    for case in ALL_CASES:
        assert f"{case.name} | {case.what} | {' '.join(map(str, case.points))} |" in text, case.name


@pytest.mark.parametrize("name", sorted(MORE))
def test_the_rest_is_graded_when_asked_for(name):
    assert name in {case.name for case in ALL_CASES}
    if WHOLE not in os.environ:
        pytest.skip(f"the submission {name} is graded with {WHOLE}=1 only: others of its kind are graded anyway")


def by_name(case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_points_are_what_the_answers_earned(course, case):
    assert course.graded[case.name] == case.points, course.log[-3000:]


@pytest.mark.parametrize("name", ["aaa_honest", "zzz_honest"])
def test_the_batch_goes_on_around_them(course, name):
    assert course.graded[name] == (2, 2, 2)
    assert len(course.graded) == len(CASES) + 2


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_nothing_hidden_comes_home(course, case):
    page = course.page(case.name)
    assert exercise.MARKER not in page
    assert "large numbers" not in page.replace("A hidden check failed: double of large numbers", "")
    # The one with bad habits has written this itself.
    marks = () if case.name == "habits" else ("BEGIN HIDDEN",)
    for word in (*case.silent, *marks, "generator('", "71.0"):
        assert word not in page, word
    for number in course.hidden_inputs(case.name):
        assert str(number) not in page
        assert str(2 * number) not in page


def test_staff_see_what_students_do_not(course):
    # Also shows that the numbers which the test above looks for are those that were asked.
    assert str(2 * course.hidden_inputs("telling")[0]) in course.staff_page("telling")


def test_nothing_hidden_reaches_the_next_notebook_or_the_next_submission(tmp_path):
    course = Course(tmp_path, {"follow_up": exercise.follow_up_notebook()})
    course.submit("sender", hostile_answers.sender)
    asked: list[int] = []
    for changed in ("", "Once more."):
        hostile_answers.sender(
            exercise.Handed(course.released, course.folder / "submitted" / "sender" / exercise.ASSIGNMENT), changed
        )
        log = course.nbgrader("autograde", exercise.ASSIGNMENT)
        log += course.nbgrader("generate_feedback", "--force", exercise.ASSIGNMENT)
        assert course.points()["sender"] == (0, 2, 2), log[-3000:]
        asked += course.hidden_inputs("sender")
        assert str(2 * asked[-3]) in course.staff_page("sender")
        follow_up = course.page("sender", "follow_up")
        # The way is there for what was left before the seal, and only for that.
        assert "LEFT_BEFORE_THE_SEAL" in follow_up
        for page in (follow_up, course.page("sender")):
            assert exercise.MARKER not in page
            for number in asked:
                assert str(number) not in page
                assert str(2 * number) not in page


@pytest.mark.parametrize("case", [case for case in CASES if case.says], ids=by_name)
def test_the_student_reads_what_happened(course, case):
    text = re.sub(r"<[^>]+>", "", course.page(case.name)).replace("&#39;", "'").replace("&#x27;", "'")
    for words in case.says:
        assert words in text, text[:3000]


class Tags(html.parser.HTMLParser):
    """Counts of elements that do something, and attributes that would."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "svg", "object", "embed", "form"):
            self.found.append(tag)
        # A title is text, such as a formula's as it was written.
        places = [(name, (value or "").lower()) for name, value in attrs if name != "title"]
        self.found += [name for name, value in places if name.startswith("on") or "javascript:" in value]


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_pages_of_students_and_staff_do_nothing(course, case):
    assert Tags(course.page(case.name)).found == Tags(course.page("aaa_honest")).found
    for cell in json.loads(course.staff_page(case.name))["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert set(data) <= {"text/plain", "text/markdown", "text/html", "image/png", "image/jpeg"}
            # Of HTML nothing but tables is left.
            assert not re.search(
                r"<(?!/?(?:table|thead|tbody|tr|th|td)[ >])|<[^>]+ (?!colspan|rowspan)",
                "".join(data.get("text/html", "")),
            )
        if cell["cell_type"] == "markdown":
            assert not re.search(r"<\s*(script|img|iframe|svg)", "".join(cell["source"]))


def test_nothing_was_harmed(course):
    assert course.source_state() == course.before
    assert not list(course.folder.rglob("canary"))
    running = [p for p in psutil.process_iter(["cmdline"]) if any(hostile.DAEMON in w for w in p.info["cmdline"] or ())]
    assert running == []
    links = course.folder / "autograded" / "links" / exercise.ASSIGNMENT
    assert not any(path.is_symlink() or path.is_fifo() for path in links.rglob("*"))
    assert not (links / "passwd.txt").exists()


def test_no_file_of_a_submission_lies_in_wait(course):
    # Of a student's files nothing but pictures lies beside the graded notebook and the page.
    for case in CASES:
        for top, made in (("autograded", {"exercise.ipynb"}), ("feedback", {"exercise.html", "index.html"})):
            folder = course.folder / top / case.name / exercise.ASSIGNMENT
            found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
            assert found == made | {"figures/map.txt"}, case.name
    sprung = course.folder.parent / "sprung"
    for top in ("submitted", "autograded", "feedback"):
        hostile_files.spring_traps(course.folder / top / "trojan" / exercise.ASSIGNMENT)
    assert not sprung.exists(), sprung.read_text()


def test_records_agree_with_the_gradebook(course):
    assert "differ" not in course.log
    for case in CASES:
        done = course.folder / "proctor_records" / exercise.ASSIGNMENT / case.name / "complete.json"
        assert json.loads(done.read_text())["differences"] == []


def test_who_answers_alike_is_counted_together_and_the_inputs_for_it_come_home_nowhere(course):
    def answer(student):
        return course.record(student)["verdicts"]["q1_test"]["answer"]

    assert re.fullmatch("[0-9a-f]{16}", answer("unknown-mistake"))
    assert answer("answers-alike") == answer("unknown-mistake")
    # Another mistake, one with a name, and none.
    assert answer("hunter") != answer("unknown-mistake")
    assert [answer(student) for student in ("known-mistake", "aaa_honest")] == ["", ""]
    common = course.common_inputs()
    assert len(set(common)) == 3
    for case in CASES:
        for number in common:
            for page in (course.page(case.name), course.staff_page(case.name)):
                assert str(number) not in page
                assert str(2 * number) not in page


def test_the_log_has_no_lines_that_nobody_can_do_anything_about(course):
    assert "GenerateFeedbackApp" in course.log
    for words in ("SAWarning", "not recognized by"):
        assert words not in course.log


def test_a_worse_resubmission_does_not_keep_the_old_score(course):
    folder = course.folder / "submitted" / "zzz_honest" / exercise.ASSIGNMENT
    handed = exercise.Handed(course.released, folder)
    handed.answer("q1_double", exercise.WRONG)
    handed.notebook["cells"] = [c for c in handed.notebook["cells"] if c["id"] not in ("q1_test", "q2_norm", "q2_test")]
    handed.write()
    said = course.nbgrader("autograde", exercise.ASSIGNMENT)
    assert course.points()["zzz_honest"] == (0, 0, 2)
    assert "aaa_honest" in said
    assert "graded before" in said
    # What was not found the first time stands in the table every time.
    assert re.search(r"^missing +graded before, but 1 notebook was not handed in: exercise$", said, re.MULTILINE), said
