"""Hidden checks and model answers are shown where the course says so, once nobody can hand in any more."""

import datetime

import nbformat
import pytest
from graded_course import ASSIGNMENT, DUE, NOTEBOOK, config, source_notebook
from traitlets.config import Configurable

from proctor.errors import ProctorError
from proctor.pages.template import KEY
from proctor.plugin.feedback import SafeFeedback
from proctor.plugin.lateness import Lateness
from proctor.plugin.reveal import LEVEL, SOURCE, level_now, model_answers, refuse_more
from proctor.settings import Proctor

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
MINUTE = datetime.timedelta(minutes=1)
SECRET = "assert 'the secret of the hidden check'"


class App(Configurable):
    """Stands for nbgrader's command."""


def level(course, now, reveal, extensions=None):
    app = App(config=config(Proctor={"reveal": reveal, "extensions": extensions or {}}))
    return level_now(Proctor(parent=app), course.directory(), Lateness(app), ASSIGNMENT, now)


def test_nothing_more_is_shown_before_the_last_deadline(graded):
    everything = {ASSIGNMENT: "all"}
    assert level(graded, DUE, {}) == ("kind", "")
    assert level(graded, DUE + MINUTE, {"other": "all"}) == ("kind", "")
    held, why = level(graded, DUE, everything)
    assert (held, "from 2026-03-01 12:00 UTC on" in why) == ("kind", True)
    assert level(graded, DUE + MINUTE, everything) == ("all", "")
    assert level(graded, DUE + MINUTE, {ASSIGNMENT: "inputs"}) == ("inputs", "")


def test_an_extension_of_anybody_holds_for_all(graded):
    later = datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC)
    # Of somebody who has handed nothing in yet.
    given = {ASSIGNMENT: {"who has it": later}}
    assert level(graded, DUE + MINUTE, {ASSIGNMENT: "all"}, given)[0] == "kind"
    assert level(graded, datetime.datetime(2026, 3, 3, 0, 1), {ASSIGNMENT: "all"}, given)[0] == "all"
    with graded.gradebook() as gradebook:
        gradebook.update_or_create_submission(ASSIGNMENT, "ben", extension=datetime.timedelta(days=1))
    assert level(graded, DUE + MINUTE, {ASSIGNMENT: "all"})[0] == "kind"


def test_without_a_deadline_nothing_more_is_shown(graded):
    with graded.gradebook() as gradebook:
        gradebook.find_assignment(ASSIGNMENT).duedate = None
        gradebook.db.commit()
    held, why = level(graded, DUE + MINUTE, {ASSIGNMENT: "all"})
    assert (held, "has no deadline" in why) == ("kind", True)


def test_an_unknown_level_is_refused():
    with pytest.raises(ProctorError, match="there is no 'everything'; there are kind, inputs, all"):
        Proctor(config=config(Proctor={"reveal": {"hw": "everything"}}))
    with pytest.raises(ProctorError, match="c.Proctor.reveal\\['hw'\\]"):
        Proctor(config=config(Proctor={"reveal": {"hw": ["all"]}}))


@pytest.mark.parametrize("shown", [None, "kind", "inputs", "all"])
def test_each_level_shows_its_own_and_no_more(graded, shown):
    made = source_notebook(hidden=SECRET)
    graded.write_source(made)
    names = {"assignment": ASSIGNMENT, "student": "ada", "notebook": NOTEBOOK}
    names |= {SOURCE: str(graded.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb")}
    names |= {LEVEL: shown} if shown else {}
    notebook, _ = SafeFeedback().preprocess(nbformat.from_dict(made), {"nbgrader": names})
    cells = {cell.id: cell for cell in notebook.cells}
    assert SECRET not in cells["q2"].source
    assert (SECRET in str(cells["q2"].metadata)) is (shown in ("inputs", "all"))
    assert (cells["a1"].metadata.get(KEY, {}).get("model") == "x = 1") is (shown == "all")


def test_model_answers_of_a_notebook_that_is_gone_are_none(tmp_path):
    assert model_answers(str(tmp_path / "gone.ipynb")) == {}


def page(folder, name, head):
    path = folder / f"{name}.html"
    path.write_text(f'<head><meta charset="utf-8"/>{head}<title>x</title></head><body>y</body>')
    return path


def mark(level):
    return f'<meta name="proctor-reveal" content="{level}"/>'


def test_a_page_that_shows_more_than_it_may_is_refused(tmp_path):
    pages = [
        page(tmp_path, "a", '<meta content="all" name="proctor-reveal"/>'),
        page(tmp_path, "b", mark("inputs")),
        page(tmp_path, "c", ""),
    ]
    refuse_more("all", pages, {})
    for level, said in (("inputs", "the page of a shows"), ("kind", "the page of a, b shows")):
        with pytest.raises(ProctorError, match=f"{said} .*run nbgrader generate_feedback"):
            refuse_more(level, pages, {})
    refuse_more("kind", pages[2:], {"c": "kind", "a": "all"})
    # What was written down when it was made counts as well, and so does a word that nobody knows.
    with pytest.raises(ProctorError, match="the page of c shows"):
        refuse_more("inputs", pages[2:], {"c": "all"})
    with pytest.raises(ProctorError, match="the page of d shows"):
        refuse_more("all", [page(tmp_path, "d", mark("more"))], {})


def test_what_a_student_writes_is_no_mark(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(f"<head><title>{mark('all')}</title></head><body>{mark('all')}</body>")
    refuse_more("kind", [path], {})
