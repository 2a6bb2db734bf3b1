import json
import logging

import nbformat
import pytest
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config

from proctor.checking.verdict import Record, Verdict, record_path
from proctor.errors import ProctorError
from proctor.pages.drawer import Drawer
from proctor.plugin.feedback import FeedbackExporter, SafeFeedback
from proctor.plugin.surroundings import surroundings
from proctor.settings import Proctor


def exporter(**pages) -> FeedbackExporter:
    config = Config()
    config.Proctor.pages = pages
    config.HTMLExporter.template_name = "classic"
    return FeedbackExporter(config=config)


def notebook(*texts: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])


def test_a_page_is_drawn_with_its_template_and_formulas_as_mathml():
    made, resources = exporter().from_notebook_node(notebook("*a* $x$"), {"metadata": {"name": "ex"}})
    assert "<em>a</em> <span" in made
    assert "<mi>x</mi>" in made
    assert 'id="notebook-container"' in made
    assert "Content-Security-Policy" in made.split("<title>")[0]
    assert resources["output_extension"] == ".html"


def test_preprocessors_run_where_the_gradebook_is():
    def preprocess(nb, resources):
        nb.cells[0].source = f"*from {resources['metadata']['name']}*"
        return nb, resources

    one = exporter()
    one.register_preprocessor(preprocess, enabled=True)
    made, _ = one.from_notebook_node(notebook("a"), {"metadata": {"name": "here"}})
    assert "<em>from here</em>" in made


def test_limits_come_from_the_settings(caplog):
    one = exporter(cpu_seconds=6.0, cell_cpu_seconds=1.5)
    one.log = logging.getLogger("pages")
    made, _ = one.from_notebook_node(notebook("*a*", "$x$ " * 80_000), {"nbgrader": {"student": "eve"}})
    assert "<em>a</em>" in made
    assert "This cell is shown as plain text" in made
    assert "eve: Notebook: shown as plain text: cell 2" in caplog.text


def test_an_unknown_limit_is_refused():
    with pytest.raises(ProctorError, match="c.Proctor.pages: there is no limit 'seconds'; there are cell_cpu_seconds"):
        exporter(seconds=1).from_notebook_node(notebook("a"))


def test_without_a_child_there_is_a_page_that_says_so_and_no_exception(monkeypatch, caplog):
    def none(self, task, **job):
        json.dumps(job)
        raise ProctorError("no memory left")

    monkeypatch.setattr(Drawer, "do", none)
    one = exporter()
    one.log = logging.getLogger("pages")
    made, _ = one.from_notebook_node(notebook("<script>1</script>"), {"metadata": {"name": "a<b"}})
    assert "Ask the course staff" in made
    assert "a&lt;b" in made
    assert "<script" not in made
    assert "no memory left" in caplog.text


def test_the_limits_of_the_settings_hold_where_outputs_are_made_safe(tmp_path):
    config = Config()
    config.Proctor.pages = {"cpu_seconds": 3.5}
    assert surroundings(Proctor(config=config), tmp_path).pages.cpu_seconds == 3.5


def test_a_students_page_has_the_catalogues_words_below_a_failed_check(tmp_path, monkeypatch):
    hint = "your double adds <b>three</b>"
    verdicts = {"q1": Verdict("q1", False, "wrong value", "", True, "A check failed", "", mistakes={"adds": hint})}
    record = Record("hw", "ada", "ex", "00", "0.1.0", "bwrap", {"q1": 2.0}, verdicts)
    record.save(record_path(tmp_path, "hw", "ada", "ex"))
    monkeypatch.chdir(tmp_path)
    nb = notebook()
    metadata = {"nbgrader": {"grade": True, "solution": False, "grade_id": "q1", "points": 2}}
    nb.cells.append(nbformat.v4.new_code_cell("check_it()", metadata=metadata))
    names = {"assignment": "hw", "student": "ada", "notebook": "ex"}
    nb, _ = SafeFeedback().preprocess(nb, {"nbgrader": names})
    made, _ = exporter().from_notebook_node(nb, {"metadata": {"name": "ex"}})
    after = made.partition("A check failed")[2]
    assert "From the grading" in after
    assert "What went wrong looks like this: your double adds &lt;b&gt;three&lt;/b&gt; (adds)" in after


def test_a_setting_that_nbconvert_gives_to_every_step_is_no_warning(caplog):
    config = Config()
    config.NbConvertBase.display_data_priority = ["text/html"]
    SafeFeedback(config=config)
    assert "not recognized" not in caplog.text
    # Of a step that doesn't know it there is one.
    type("Other", (NbGraderPreprocessor,), {})(config=config)
    assert "`display_data_priority` not recognized by `Other`" in caplog.text
