"""Sealed hints get into the release, and nowhere else; a course without them, or with old ones, is released as well."""

import json
import logging

import pytest
from graded_course import ASSIGNMENT, NOTEBOOK, source_notebook
from nbformat import from_dict
from nbgrader.utils import compute_checksum
from traitlets.config import Config

from proctor.catalogue.known import read_known
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.hint_lines import MARKER, SealedHints, file_of, public_part, write_sealed
from proctor.plugin.generate_assignment import GenerateAssignment

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

LINE = MARKER + "AbC+/9=="
ENTRY = """
[[wrong]]
name = "nothing"
cell = "a1"
hint = "you take nothing"
loses = ["q1"]
source = "x = 0"
"""


@pytest.fixture
def sealed(graded):
    """The course with a catalogue and sealed hints for its notebook."""
    catalogue = graded.root / "misconceptions"
    catalogue.mkdir()
    (catalogue / f"{NOTEBOOK}.toml").write_text(ENTRY)
    source = graded.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    tests = notebook_cells.autograded_cells(notebook_cells.read(source))
    known = read_known(source, catalogue / f"{NOTEBOOK}.toml")
    now = known.digests({name: public_part(notebook_cells.source(cell)) for name, cell in tests.items()})
    write_sealed(file_of(catalogue, NOTEBOOK), {"q1": SealedHints(now["q1"], LINE), "q2": SealedHints(now["q2"], "")})
    return graded


def released(course, misconceptions="misconceptions") -> dict[str, dict]:
    config = Config({"Proctor": {"misconceptions": misconceptions}})
    log = logging.getLogger("generate")
    GenerateAssignment(coursedir=course.directory(), force=True, log=log, config=config).start()
    path = course.root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    return {notebook_cells.grade_id(cell): cell for cell in json.loads(path.read_text())["cells"]}


def texts(cells: dict[str, dict]) -> str:
    return "\n".join(notebook_cells.source(cell) for cell in cells.values())


def test_the_released_cell_has_them_and_the_gradebook_has_not(sealed, caplog):
    cells = released(sealed)
    assert notebook_cells.source(cells["q1"]) == f"assert x\n{LINE}"
    assert texts(cells).count(MARKER) == 1
    # By this Validate knows that nobody has changed the cell.
    cell = from_dict(cells["q1"] | {"source": notebook_cells.source(cells["q1"])})
    assert compute_checksum(cell) == cell.metadata.nbgrader.checksum
    with sealed.gradebook() as gradebook:
        assert gradebook.find_source_cell("q1", NOTEBOOK, ASSIGNMENT).source == "assert x"
    assert "hints" not in caplog.text


@pytest.mark.parametrize("misconceptions", ["", "nowhere"])
def test_a_course_without_them_is_released_as_ever(sealed, misconceptions, caplog):
    assert MARKER not in texts(released(sealed, misconceptions))
    assert "hints" not in caplog.text


def changed(number: int, text: str) -> dict:
    notebook = source_notebook()
    notebook["cells"][number]["source"] = text
    return notebook


@pytest.mark.parametrize(
    ("notebook", "entry"),
    [
        (changed(1, "assert x, 'what'"), ENTRY),
        (changed(0, "### BEGIN SOLUTION\nx = 2\n### END SOLUTION"), ENTRY),
        (source_notebook(), ENTRY.replace("nothing", "too little")),
    ],
    ids=["test", "answer", "catalogue"],
)
def test_what_changed_since_is_left_out_and_named(sealed, notebook, entry, caplog):
    sealed.write_source(notebook)
    (sealed.root / "misconceptions" / f"{NOTEBOOK}.toml").write_text(entry)
    assert MARKER not in texts(released(sealed))
    assert "2a: no sealed hints in q1, which changed since they were made; run: python -m" in caplog.text


@pytest.mark.parametrize(
    "notebook", [source_notebook(hidden="assert 7"), source_notebook(points=3), changed(3, "Why not?")]
)
def test_what_no_public_check_depends_on_may_change(sealed, notebook):
    notebook["cells"].insert(0, {"cell_type": "markdown", "id": "new", "metadata": {}, "source": "A text."})
    sealed.write_source(notebook)
    assert LINE in texts(released(sealed))


def test_a_file_that_can_not_be_read_costs_the_hints_only(sealed, caplog):
    file_of(sealed.root / "misconceptions", NOTEBOOK).write_text("[")
    assert MARKER not in texts(released(sealed))
    assert "2a is released without sealed hints: " in caplog.text
