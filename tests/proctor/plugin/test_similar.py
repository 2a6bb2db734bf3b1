"""Pairs of students with answers alike: a copy with other names is on top, and what all write is nobody's likeness."""

import json

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, source_notebook
from nbgrader.coursedir import CourseDirectory

from proctor.errors import ProctorError
from proctor.notebooks.cells import cleared
from proctor.pages.written import stored
from proctor.plugin.answer_texts import answers
from proctor.plugin.likeness import ranking
from proctor.plugin.similar import NO_PROOF, lines, write

SHORT = "x = torch.softmax(scores, dim=-1)\nx = x @ value\nx = x.transpose(1, 2).flatten(2)\nprint(x.shape)"
LONG = """
def attend(query, key, value):
    parts = []
    for row in range(len({a})):
        {b} = {a}[row] @ key.mT / math.sqrt(query.shape[-1])
        while {b}.max() > 50:
            {b} = {b} - {b}.mean()
        parts.append({b}.exp() / {b}.exp().sum(-1, keepdim=True) @ value)
    return torch.stack(parts)
"""
OWN = """
def attend(query, key, value):
    return {0}.{0}(query)[{1}] + {2} * key.{0}_{0}({1}, {2}) - [value.{0} for one in {0}.{1}_all({2} - 1) if one]
{0}.table({1}, [{2}, {1}], done={2} ** {1} // 7)
"""


class Course:
    """Students by their answers, as autograding leaves them."""

    def __init__(self, root) -> None:
        self.root = root
        self.directory = CourseDirectory(root=str(root), course_id="test")
        self.put(root / "source" / ASSIGNMENT, source_notebook())

    def put(self, folder, notebook) -> None:
        folder.mkdir(parents=True)
        (folder / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))

    def hand_in(self, student: str, code: str, essay: str = "Why?") -> None:
        notebook = source_notebook()
        notebook["cells"][0]["source"], notebook["cells"][3]["source"] = code, stored(essay)
        self.put(self.root / "autograded" / student / ASSIGNMENT, notebook)


@pytest.fixture
def course(tmp_path) -> Course:
    made = Course(tmp_path)
    for number in range(12):
        # All have the one right short answer, and then something of their own.
        own = "".join(OWN.format(f"f{number}{part}", f"k.g{number}{part}", number * 7 + part) for part in range(3))
        made.hand_in(f"s{number:02}", SHORT + own)
    made.hand_in("ada", SHORT + LONG.format(a="query", b="scores"), "Because <b>heads</b> differ, as [1](x) says.")
    made.hand_in("bob", "# mine\n" + SHORT + LONG.format(a="query", b="my_own_name"))
    for name in ("short1", "short2"):
        made.hand_in(name, SHORT)
    made.hand_in("empty", cleared(source_notebook()["cells"][0]["source"]) + "\n")
    return made


def test_a_copy_with_other_names_is_on_top_and_what_all_write_counts_for_nothing(course):
    found = ranking(answers(course.directory, ASSIGNMENT))
    first, *others = found.pairs
    assert (first.one, first.other) == ("ada", "bob")
    assert first.likeness > 0.7
    assert [cell for cell, _ in first.cells] == [(NOTEBOOK, "a1")]
    assert all(pair.likeness < 0.3 for pair in others)
    # Equal answers that are everybody's are no pair.
    assert found.left_out == ["empty", "short1", "short2"]
    assert found.compared == 14


def test_what_the_course_has_given_is_subtracted(course):
    given = source_notebook()
    given["cells"][0]["source"] = LONG.format(a="query", b="scores") + "\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION"
    (course.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text(json.dumps(given))
    found = ranking(answers(course.directory, ASSIGNMENT))
    assert {"ada", "bob"} <= set(found.left_out)


def test_one_who_breaks_python_off_is_compared_up_to_there(course):
    course.hand_in("eve", LONG.format(a="query", b="z") + "\nx = (((\n'''")
    found = ranking(answers(course.directory, ASSIGNMENT))
    assert {pair[:2] for pair in found.pairs[:3]} == {("ada", "bob"), ("ada", "eve"), ("bob", "eve")}


def test_files_are_for_staff_and_say_that_a_rank_is_no_proof(course, tmp_path):
    course.hand_in("magic", "%%time\n!pip install x\ny = 2")
    found = answers(course.directory, ASSIGNMENT)
    ranked, place = ranking(found), tmp_path / "similar"
    for _ in range(2):
        write(place, found, ranked, False)
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_file()} == {0o600}
    assert (place / "code" / "magic" / "2a.py").read_text() == "# a1\n# %%time\n# !pip install x\ny = 2\n"
    assert (place / "texts" / "ada" / "2a.txt").read_text() == "# essay\nBecause <b>heads</b> differ, as [1](x) says.\n"
    assert list((place / "code" / "empty").iterdir()) == []
    assert "x = 1" not in (place / "base-code" / "2a.py").read_text()
    assert (place / "ranking.csv").read_text().splitlines()[1].split(",")[1:3] == ["ada", "bob"]
    for said in (place / "README.txt").read_text(), "\n".join(lines(ranked, place)):
        assert NO_PROOF in said
    assert "dolos run -l python -i 'base-code/2a.py' code/*/'2a.py'" in (place / "README.txt").read_text()


def test_what_is_not_there_is_said_in_a_line(course):
    with pytest.raises(ProctorError, match="is ps9 the right name"):
        answers(course.directory, "ps9")
    course.put(course.root / "source" / "ps2", source_notebook())
    with pytest.raises(ProctorError, match="nothing of ps2 is graded yet"):
        answers(course.directory, "ps2")
