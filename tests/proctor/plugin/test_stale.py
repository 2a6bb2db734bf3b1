"""What makes a grading stale: tests, points, files, engine, limits and data, and nothing else."""

import pytest
from graded_course import source_notebook
from traitlets.config import Config

from proctor.plugin import stale
from proctor.plugin.stale import changed_tests, made_with, reasons, source_digest, source_digests
from proctor.settings import Proctor


def changed(name: str, text: str) -> dict:
    notebook = source_notebook()
    next(cell for cell in notebook["cells"] if cell["id"] == name)["source"] = text
    return notebook


def test_tests_points_and_cells_make_a_difference():
    usual = source_digest(source_notebook())
    others = [
        source_notebook(hidden="assert 2"),
        source_notebook(points=3),
        source_notebook(more="q3"),
        changed("a1", "import math\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION"),
    ]
    digests = {source_digest(one) for one in others}
    assert len(digests) == 4
    assert usual not in digests


def test_texts_solutions_and_outputs_make_none():
    usual = source_digest(source_notebook())
    ran = source_notebook()
    ran["cells"][1] |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}], "execution_count": 3}
    ran["cells"].append({"cell_type": "markdown", "id": "note", "metadata": {}, "source": "A comma, more"})
    for one in (changed("a1", "### BEGIN SOLUTION\nx = 2\n### END SOLUTION"), changed("essay", "Why not?"), ran):
        assert source_digest(one) == usual


def test_a_notebook_that_can_not_be_read_has_no_digest(tmp_path):
    (tmp_path / "a.ipynb").write_text("{")
    assert source_digests(tmp_path, ["a", "b"]) == {}
    assert changed_tests({"sources": {"a": "1"}}, {}) == []


@pytest.fixture
def course(tmp_path):
    (tmp_path / "data" / "set").mkdir(parents=True)
    (tmp_path / "data" / "set" / "book.txt").write_text("text")
    (tmp_path / "map.txt").write_text("map")
    return tmp_path


def of(course, limits: dict | None = None, sources: dict | None = None) -> dict:
    settings = Proctor(config=Config({"Proctor": {"limits": limits or {}, "data": "data"}}))
    return made_with(settings, course, sources or {"a": "1", "b": "2"}, {"map.txt": course / "map.txt"})


def test_nothing_changed_is_no_reason(course):
    assert reasons(of(course), of(course)) == []


def test_each_part_is_a_reason_in_words(course, monkeypatch):
    then = of(course)
    assert reasons(then, of(course, sources={"a": "3", "b": "2"})) == ["the tests of a changed"]
    assert reasons(then, of(course, {"cell_cpu_seconds": 7})) == ["the limits changed"]
    (course / "map.txt").write_text("Map")
    assert reasons(then, of(course)) == ["the assignment's files changed"]
    (course / "map.txt").write_text("map")
    (course / "data" / "more.txt").write_text("x")
    assert reasons(then, of(course)) == ["the data changed"]
    (course / "data" / "more.txt").rename(course / "data" / ".more")
    assert reasons(then, of(course)) == []
    monkeypatch.setattr(stale, "_ENGINE", ("running",))
    assert reasons(then, of(course)) == ["the engine changed"]


@pytest.mark.parametrize("then", [None, {}, {"sources": 3}])
def test_what_was_graded_by_an_engine_that_wrote_nothing_down_is_graded_again(course, then):
    assert reasons(then, of(course))
