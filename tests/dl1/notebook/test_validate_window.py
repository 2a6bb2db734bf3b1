"""Validate's window shows what a failed check checks and its card's text, and no line of its source."""

import json
import tomllib
from pathlib import Path

import nbformat
import pytest
from jupyter_server.extension.manager import ExtensionPackage
from nbgrader.utils import compute_checksum
from nbgrader.validator import Validator

from dl1.contract import cards
from dl1.notebook import validate_window

KIT = Path(validate_window.__file__).parents[1]
ROOT = Path(__file__).resolve().parents[3]
CHECK = "# Check 2.6, query: turned queries\nimport torch\n\nsecret_of_the_check = 1\n"
CARD = "Check failed: queries: wrong value\n  expected: 1\n  yours:    2"


def cell(name, source, error="", **about):
    made = nbformat.v4.new_code_cell(source)
    about = {"grade": True, "solution": False, "locked": True, "points": 2, "cell_type": "code"} | about
    made.metadata.nbgrader = {"grade_id": name, "schema_version": 3, "task": False, **about}
    made.metadata.nbgrader["checksum"] = compute_checksum(made)
    if error:
        made.outputs = [nbformat.v4.new_output("error", ename="E", evalue="e", traceback=error.split("\n"))]
    return made


@pytest.fixture
def validated(tmp_path):
    """What the window is told of a notebook that was run already."""

    class Changed(Validator):
        preprocessors = []

    validate_window.show_what_is_checked(Changed)
    validate_window.show_what_is_checked(Changed)

    def result(*cells):
        path = tmp_path / "2a.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
        return Changed().validate(str(path))

    return result


def test_of_a_failed_check_there_are_its_first_line_and_its_card(validated):
    (failed,) = validated(cell("q1", CHECK, CARD), cell("q2", "# Check 2.7\nassert 1"))["failed"]
    assert failed["source"] == "Check 2.6, query: turned queries"
    assert failed["raw_error"] == CARD
    assert "secret_of_the_check" not in json.dumps(failed)


def test_long_lines_are_broken_where_they_have_no_colours(validated):
    coloured = "\x1b[31m" + "x" * 100
    (failed,) = validated(cell("q1", CHECK, f"{CARD}\n  help:     {'look here ' * 30}\n{coloured}"))["failed"]
    lines = failed["raw_error"].split("\n")
    assert failed["raw_error"].startswith(CARD)
    assert lines[-1] == coloured
    assert max(map(len, lines[:-1])) <= 90
    assert " ".join(failed["raw_error"].split()).count("look here") == 30


def test_one_without_such_a_line_is_called_by_its_id(validated):
    (failed,) = validated(cell("q1", CHECK.partition("\n")[2], CARD))["failed"]
    assert failed["source"] == "Check q1"


def test_an_answer_that_is_graded_itself_is_shown_as_it_is(validated):
    (failed,) = validated(cell("q1", "x = 1", CARD, solution=True, locked=False))["failed"]
    assert failed["source"] == "x = 1"


def test_what_has_failed_and_what_was_changed_stays_for_nbgrader_to_say(validated):
    changed = cell("q1", CHECK, CARD)
    changed.source += "\npass"
    assert list(validated(changed)) == ["changed"]
    assert validated(cell("q1", CHECK)) == {}


def test_another_nbgrader_is_left_alone():
    class Other:
        pass

    validate_window.show_what_is_checked(Other)
    assert not hasattr(Other, "_get_failed_cells")


def test_servers_load_it_by_a_file_that_the_package_brings():
    (table,) = tomllib.loads((KIT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"].items()
    assert table == ("etc/jupyter/jupyter_server_config.d", ["jupyter/dl1.json"])
    name = validate_window.__name__
    assert json.loads((KIT / "jupyter" / "dl1.json").read_text())["ServerApp"]["jpserver_extensions"][name]
    package = ExtensionPackage(name=name, enabled=True)
    assert package.validate()
    before = Validator._get_failed_cells
    try:
        package.extension_points[name].load(None)
        assert Validator._get_failed_cells is not before
    finally:
        Validator._get_failed_cells = before


def test_the_cards_text_is_what_nbgrader_gets_of_a_failure(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    error = cards.failure("wrong value", "queries", 1, 2)
    assert error._render_traceback_()[:3] == ["Check failed: queries: wrong value", "  expected: 1", "  yours:    2"]


def test_each_check_of_the_course_begins_with_such_a_line():
    for path in sorted((ROOT / "source").rglob("*.ipynb")):
        for one in json.loads(path.read_text())["cells"]:
            about = one["metadata"].get("nbgrader", {})
            if one["cell_type"] == "code" and about.get("grade") and not about.get("solution"):
                source = "".join(one["source"])
                assert validate_window.shown(one | {"source": source})["source"].startswith("Check "), about["grade_id"]
