"""`make demo` from end to end, in a folder of its own, and its parts."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from demo import scores, stages, students
from demo.errors import DemoError
from demo.run_folder import MARKER, RunFolder
from proctor.catalogue import entries as catalogue
from proctor.notebooks import cells as notebook_cells

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "source" / "assignment2").glob("*.ipynb"))
# The whole takes some minutes on two cores, more beside other tests; this only ends a demo that hangs.
HANGS = 1_800


def demo(run: Path, home: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "demo", "--run-folder", run],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


def course_files() -> dict[Path, int]:
    """Everything that nbgrader would write in the checkout's own course, with the time of its last change."""
    folders = ["source", "release", "submitted", "autograded", "feedback", "exchange", ".jupyter", ".nbgrader_cache"]
    files = [ROOT / "gradebook.db", *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    return {file: file.stat().st_mtime_ns for file in files if file.exists()}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    # nbgrader and its programs have to cope with what people call their folders.
    return tmp_path_factory.mktemp("demo") / "a run (1)"


@pytest.fixture(scope="module")
def before():
    return course_files()


@pytest.fixture(scope="module")
def killed(before, run, home):
    """A demo that was killed in the middle of the students' submissions."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", "--run-folder", run],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "fetch_assignment" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    wait_until_unlocked(run)


@pytest.fixture(scope="module")
def finished(before, killed, run, home):
    """The whole demo, in the folder of a killed one: it takes minutes, so this is the only one."""
    return demo(run, home)


def gradebook_points(run: Path) -> dict[str, dict[str, float]]:
    """Autograded points by student and cell; cells that wait for a TA, or have no points, are left out."""
    points = {}
    with Gradebook(f"sqlite:///{run / 'course' / 'gradebook.db'}", "dl1") as gradebook:
        for submission in gradebook.assignment_submissions("assignment2"):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            points[submission.student.id] = {grade.name: grade.auto_score for grade in grades if grade.auto_score}
    return points


@pytest.mark.slow
def test_points_in_the_gradebook(finished, run):
    assert finished.returncode == 0, finished.stdout + finished.stderr
    tests = {}
    for source in SOURCES:
        for cell in notebook_cells.read(source)["cells"]:
            if notebook_cells.role(cell) == "test":
                metadata = notebook_cells.nbgrader_metadata(cell)
                tests[metadata["grade_id"]] = float(metadata["points"])
    lost = [name for entry in students.chosen_mistakes(ROOT / "misconceptions") for name in entry.loses]
    # Who has trained nothing has no table of 1.1 and no model of 2.7.
    lost += ["q1_1a_table_values", "q1_1c_compare_values", "q2_7_claim", "q2_7_loss"]
    points = gradebook_points(run)
    assert points["ada_reference"] == tests
    assert points["uma_untouched"] == {}
    assert points["mo_mistakes"] == {name: points for name, points in tests.items() if name not in lost}
    assert 0 < sum(points["mo_mistakes"].values()) < sum(tests.values())


@pytest.mark.slow
def test_table_names_every_student_and_question(finished):
    lines = finished.stdout.splitlines()
    header = next(line for line in lines if line.rstrip().endswith("waits for a TA"))
    questions = {name for source in SOURCES for name in questions_of(source)}
    assert questions <= set(header.split())
    # In the table and in what was expected of them.
    assert all(sum(line.startswith(name) for line in lines) == 2 for name in students.STUDENTS)


def questions_of(source: Path) -> set[str]:
    cells = [cell for cell in notebook_cells.read(source)["cells"] if notebook_cells.role(cell) in ("test", "manual")]
    return {scores.question_number(notebook_cells.grade_id(cell)) for cell in cells}


@pytest.mark.slow
def test_students_get_feedback_through_the_exchange(finished, run):
    assert (run / "exchange").stat().st_mode & 0o777 == 0o777
    inbound = [entry.name.split("+")[0] for entry in (run / "exchange" / "dl1" / "inbound").iterdir()]
    assert sorted(inbound) == sorted(students.STUDENTS)
    for name in students.STUDENTS:
        assert len(list((run / "students" / name).glob("assignment2/feedback/*/*.html"))) == len(SOURCES)
    shown = next(line for line in finished.stdout.splitlines() if line.startswith("A feedback page:"))
    page = Path(shown.removeprefix("A feedback page:").strip())
    assert "mo_mistakes" in page.parts
    # The public check of a mistake that the demo hands in.
    assert "turned queries: wrong value" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_each_mistake_has_its_name_on_the_page(finished, run):
    pages = run.glob("course/feedback/mo_mistakes/assignment2/*.html")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    missing = [name for name in students.MISCONCEPTIONS if f"({name})" not in text]
    assert missing == []
    other = (run / "course/feedback/ada_reference/assignment2").glob("*.html")
    assert not any("What went wrong looks like" in page.read_text(encoding="utf-8") for page in other)


@pytest.mark.slow
def test_nothing_outside_its_folder_changes(finished, before, home):
    assert list(home.iterdir()) == []
    assert course_files() == before


@pytest.mark.slow
def test_runs_again_after_a_killed_run(finished, run):
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert len(list((run / "exchange" / "dl1" / "inbound").iterdir())) == len(students.STUDENTS)


def wait_until_unlocked(run: Path) -> None:
    """The killed demo's last commands end by themselves."""
    for _ in range(HANGS * 10):
        with (run / MARKER).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.1)
    raise AssertionError("the lock is still held")


def test_leaves_a_foreign_folder_alone(tmp_path):
    file = tmp_path / "thesis.tex"
    file.write_text("mine")
    with pytest.raises(DemoError, match="no demo made"):
        RunFolder(tmp_path)
    assert file.read_text() == "mine"


def test_two_demos_do_not_share_a_folder(tmp_path):
    first = RunFolder(tmp_path / "run")
    with pytest.raises(DemoError, match="another demo is running"):
        RunFolder(tmp_path / "run")
    first.lock.close()
    assert RunFolder(tmp_path / "run").course.parent == tmp_path / "run"


def test_empties_its_own_folder_but_follows_no_link(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    first = RunFolder(tmp_path / "run")
    first.lock.close()
    (first.path / "students").symlink_to(kept)
    (first.path / "logs").mkdir()
    again = RunFolder(tmp_path / "run")
    assert [entry.name for entry in again.path.iterdir()] == [MARKER]
    assert (kept / "file").exists()


def test_environment_has_no_folder_of_the_user(tmp_path, monkeypatch):
    for name in ("JUPYTER_CONFIG_PATH", "XDG_CONFIG_HOME", "IPYTHONDIR", "NBGRADER_EXCHANGE", "PYTHONPATH"):
        monkeypatch.setenv(name, "/somebody/elses")
    run = RunFolder(tmp_path / "run")
    environment = run.environment(run.staff_home)
    assert "/somebody/elses" not in environment.values()
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def notebook(answer: str, essay: str) -> nbformat.NotebookNode:
    def part(cell, name, **roles):
        cell.metadata["nbgrader"] = {"grade_id": name, "grade": False, "solution": False, "locked": False} | roles
        return cell

    v4 = nbformat.v4
    return v4.new_notebook(
        cells=[
            part(v4.new_code_cell(answer), "q1_1_answer", solution=True),
            part(v4.new_markdown_cell(essay), "q1_2_essay", solution=True, grade=True, points=2),
            part(v4.new_code_cell("check()"), "q1_1_test", grade=True, locked=True, points=3),
        ]
    )


MISTAKE = catalogue.Entry(
    kind="wrong",
    name="adds",
    notebook="one",
    cell="q1_1_answer",
    hint="multiply",
    why="",
    loses=("q1_1_test",),
    changes=(("3 * x", "3 + x"),),
    source=None,
    where="one.toml",
)


@pytest.mark.parametrize(("mistakes", "answer"), [([], "y = 3 * x"), ([MISTAKE], "y = 3 + x")])
def test_fill_in(tmp_path, mistakes, answer):
    source, fetched = tmp_path / "source" / "one.ipynb", tmp_path / "fetched.ipynb"
    source.parent.mkdir()
    model = "Say why.\n### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
    nbformat.write(notebook("### BEGIN SOLUTION\ny = 3 * x\n### END SOLUTION", model), source)
    nbformat.write(notebook("# YOUR CODE HERE", "YOUR ANSWER HERE"), fetched)
    students.fill_in(fetched, students.answers(source, mistakes))
    filled = [cell.source for cell in nbformat.read(fetched, as_version=4).cells]
    assert filled == [answer, students.ESSAY, "check()"]


def test_fill_in_says_which_cell_was_not_released(tmp_path):
    fetched = tmp_path / "fetched.ipynb"
    nbformat.write(notebook("", ""), fetched)
    with pytest.raises(DemoError, match="q1_3_answer"):
        students.fill_in(fetched, {"q1_1_answer": "1", "q1_3_answer": "3"})


def test_mistakes_are_in_six_questions_and_cost_points():
    entries = students.chosen_mistakes(ROOT / "misconceptions")
    assert len({catalogue.question(entry.cell) for entry in entries}) == 6
    assert all(entry.loses for entry in entries)


POSSIBLE = scores.possible_scores(notebook("", ""))


def made_up_scores(mo: float) -> list[scores.Score]:
    return [
        scores.Score("ada_reference", "q1_1_test", 3, 3, False),
        scores.Score("ada_reference", "q1_2_essay", 2, None, True),
        scores.Score("mo_mistakes", "q1_1_test", 3, mo, False),
        scores.Score("mo_mistakes", "q1_2_essay", 2, None, True),
        scores.Score("uma_untouched", "q1_1_test", 3, 0, False),
        scores.Score("uma_untouched", "q1_2_essay", 2, 0, False),
    ]


def test_comparison_accepts_the_expected_points():
    text, as_expected = stages.compared(made_up_scores(mo=0), POSSIBLE, [MISTAKE])
    assert as_expected
    table = [line.split() for line in text.splitlines()[2:7]]
    assert table == [
        ["1.1", "1.2", "autograded", "waits", "for", "a", "TA"],
        ["possible", "3", "+2", "3", "2"],
        ["ada_reference", "3", "+2", "3", "2"],
        ["mo_mistakes", "0", "+2", "0", "2"],
        ["uma_untouched", "0", "0", "0", "0"],
    ]


def test_questions_stand_in_the_order_of_their_numbers():
    made_up = [scores.Score("ada", f"q{number}_cell", 1, 1, False) for number in ("2_10", "10_1", "2_9b", "2_2")]
    assert scores.table(made_up).split("\n")[0].split()[:4] == ["2.2", "2.9", "2.10", "10.1"]


def test_comparison_of_an_empty_gradebook_reports_every_cell():
    text, as_expected = stages.compared([], POSSIBLE, [MISTAKE])
    assert not as_expected
    assert text.count("q1_1_test got no score") == len(students.STUDENTS)


def test_comparison_reports_a_surprise_and_a_missing_score():
    text, as_expected = stages.compared(made_up_scores(mo=3)[:-2], POSSIBLE, [MISTAKE])
    assert not as_expected
    assert text.endswith(
        "*** NOT AS EXPECTED ***\n"
        "mo_mistakes: q1_1_test got 3, expected 0\n"
        "uma_untouched: q1_1_test got no score, expected 0"
    )
