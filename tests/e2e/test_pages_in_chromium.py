"""Both pages in a browser without a network: what stands on them, their pictures, and the keys of the formgrader."""

import base64
import json
import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from formgrader_server import Server
from nbgrader.api import Gradebook
from page_text import IN_BROWSER, graded, normal
from unlucky_pages import TEXTS, picture

from proctor.pages.notes import aside_output, note_output
from proctor.pages.report import (
    FAILED,
    NOT_JUDGED,
    PASSED,
    WAITING,
    Mistake,
    NotebookReport,
    Part,
    Question,
    Report,
)
from proctor.pages.report_html import index_html, summary_html
from proctor.pages.template import KEY, SUMMARY, TITLE, write_template
from proctor.plugin import marked_by, page_grades
from proctor.plugin.feedback import FeedbackExporter

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium"),
]
PICTURES = "See ![](attachment:p.png), ![](curve.jpg) and <img src='attachment:p.png'>."
# Each with its last letters, which have to be seen.
LONG = {"with-blanks": "0.25 " * 400 + "LAST", "without-blanks": "x" * 2000 + "LAST"}
LONG_TEXT = f"`{LONG['without-blanks']}` and\n\n```\n{LONG['without-blanks']}\n```\n\n{LONG['without-blanks']}"
TABLE = "<table><tr><th>loss</th></tr><tr><td>0.5</td></tr></table>"


SCHEME = """\
*Your answer, at most 5 words:*
### BEGIN SOLUTION
It is $x^2$.
#### Marking scheme (2)

- 1½: the **square**
  - ½: no reason
- ½: the rest
### END SOLUTION"""
AXE = "axe-core/axe.min.js"
AXE_PLACES = [one / "node_modules" for one in Path(__file__).resolve().parents]
QUESTIONS = (
    Question("1.1", "Doubling", (Part("q1_test", PASSED, 2.0, 2.0),)),
    Question("1.2", "A unit", (Part("q2_test", FAILED, 0.0, 2.0, "unit — wrong value", (Mistake("norm", "divide"),)),)),
    Question("1.3", "Both", (Part("q3_test", NOT_JUDGED, None, 2.0),)),
    Question("1.4 (a)", "Why", (Part("q4_why", WAITING, None, 1.0, comment=True),)),
)
NOTEBOOK = NotebookReport("ex", "The exercise", QUESTIONS, 0.5, ("cell 3 was stopped",), "ab" * 32)
REPORT = Report("hw", "ada", "2026-03-01 12:07 UTC", "2026-03-01 12:00 UTC", 420.0, "that costs nothing", (NOTEBOOK,))


def notebook() -> dict:
    """All texts, pictures, and an output with a table."""
    attachments = {"p.png": {"image/png": base64.b64encode(picture("PNG")).decode()}}
    text = "\n\n----\n\n".join([*TEXTS, PICTURES])
    made = graded(text, attachments=attachments, files={"curve.jpg": picture("JPEG")})
    data = {"text/html": TABLE, "text/plain": "loss"}
    outputs = [nbformat.v4.new_output("stream", text=f"{line}\n") for line in LONG.values()]
    outputs += [nbformat.v4.new_output("error", ename="E", evalue="e", traceback=list(LONG.values()))]
    outputs += [nbformat.v4.new_output("execute_result", data={"text/plain": line}) for line in LONG.values()]
    outputs += [note_output(LONG["without-blanks"]), aside_output(LONG["without-blanks"])]
    made["cells"][1]["outputs"] = [nbformat.v4.new_output("execute_result", data=data, execution_count=1), *outputs]
    text = graded(LONG_TEXT)
    made["cells"].insert(2, text["cells"][-1])
    return made


def write_scheme(course: Path) -> None:
    """The instructor's notebook of this course: how q1 is marked."""
    cell = nbformat.v4.new_code_cell(SCHEME, id="q1")
    flags = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**flags, "grade_id": "q1", "points": 2}
    path = course / "source" / "hw" / "ex.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])), encoding="utf-8")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Where the two pages are, by name."""
    folder = tmp_path_factory.mktemp("pages")
    page = nbformat.from_dict(notebook())
    marks = dict(page_grades.marks(NOTEBOOK))
    for cell in page.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in marks:
            kind = "check" if cell.cell_type == "code" else "answer"
            texts = {"kind": kind, "text": "what was expected, and what came", "model": "as it could be"}
            cell.metadata[KEY] = texts | marks[name]
            cell.metadata.nbgrader.update(comment="Well *said*")
    names = {"notebook": "ex", SUMMARY: summary_html(REPORT, NOTEBOOK), TITLE: NOTEBOOK.title}
    config = write_template(folder)
    made, _ = FeedbackExporter(config=config).from_notebook_node(page, {"metadata": {"name": "ex"}, "nbgrader": names})
    (folder / "feedback.html").write_text(made, encoding="utf-8")
    (folder / "index.html").write_text(index_html(REPORT, {"ex"}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        server = Server(folder)
        try:
            server.wait()
            address = server.submit("ada", content=json.dumps(notebook()))
            other = server.submit("zoe", "*another one*")
            write_scheme(server.folder)
            with Gradebook(f"sqlite:///{server.folder / 'gradebook.db'}", "test") as gradebook:
                gradebook.update_or_create_student("bob", first_name="Bob")
                gradebook.update_or_create_student("cyd", first_name="Cyd", last_name="Vries, de")
            yield {
                "course": server.folder,
                "server": f"http://127.0.0.1:{server.port}",
                "formgrader": f"http://127.0.0.1:{server.port}{address}",
                "other": f"http://127.0.0.1:{server.port}{other}",
                "feedback": (folder / "feedback.html").as_uri(),
                "index": (folder / "index.html").as_uri(),
            }
        finally:
            server.process.terminate()
            server.process.wait()


class Opened:
    """A page that was opened, what it wanted from elsewhere, and what went wrong in it."""

    def __init__(self, browser, address: str) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page = browser.new_page()
        own = ("http://127.0.0.1:", "file:", "data:")
        self.page.on("request", lambda one: self.foreign.append(one.url) if not one.url.startswith(own) else None)
        self.page.on("pageerror", lambda one: self.errors.append(str(one)))
        self.page.on("console", lambda one: self.errors.append(one.text) if "script" in one.text.lower() else None)
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")


@pytest.fixture(scope="module", params=["formgrader", "feedback"])
def opened(request, browser, addresses) -> Opened:
    return Opened(browser, addresses[request.param])


def test_the_text_of_the_page_is_the_text_of_the_cell(opened):
    answer = opened.page.locator(".rendered_html").last
    text = normal(answer.evaluate(IN_BROWSER))
    missing = [one for one, shown in TEXTS.items() if normal(shown or one) not in text]
    assert missing == []


def test_aligned_formulas_and_matrices_have_rows_one_below_the_other(opened):
    tops = "one => [...one.querySelectorAll('mtr')].map(row => Math.round(row.getBoundingClientRect().top))"
    for source in ("aligned", "pmatrix", "cases", "align}"):
        formula = opened.page.locator(f".proctor-formula[title*='{source}']").first
        rows = formula.evaluate(tops)
        assert len(rows) == 2, source
        assert rows[1] - rows[0] > 5, source
    right = opened.page.locator("mtd[columnalign=right]").first.evaluate("one => getComputedStyle(one).textAlign")
    assert right == "right"


def test_pictures_are_there_without_a_frame(opened):
    found = opened.page.evaluate(
        "[...document.querySelectorAll('.rendered_html img')].map(one => [one.complete && one.naturalWidth, "
        "getComputedStyle(one).borderTopWidth])"
    )
    assert [width for width, _ in found] == [60, 40, 60]
    assert {border for _, border in found} == {"0px"}


def test_cells_of_tables_have_room(opened):
    for place in (".rendered_html td", ".proctor-table td"):
        room = opened.page.locator(place).first.evaluate("one => parseFloat(getComputedStyle(one).paddingLeft)")
        assert room > 5


def test_all_of_a_long_line_is_seen(opened):
    lost = opened.page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), lost = [];
          let found = 0;
          while (walker.nextNode()) {
            const node = walker.currentNode;
            if (node.parentElement.closest("script, style, textarea")) continue;
            // What lies beyond the frame of something that cuts or scrolls, or of the page, is not seen.
            let right = document.documentElement.clientWidth;
            for (let one = node.parentElement; one; one = one.parentElement) {
              if (getComputedStyle(one).overflowX !== "visible") {
                right = Math.min(right, one.getBoundingClientRect().right);
              }
            }
            for (let at = node.data.indexOf("LAST"); at >= 0; at = node.data.indexOf("LAST", at + 1)) {
              found += 1;
              const range = document.createRange();
              range.setStart(node, at);
              range.setEnd(node, at + 4);
              const place = range.getBoundingClientRect();
              if (place.width === 0 || place.left < 0 || place.right > right + 1) {
                lost.push(node.parentElement.outerHTML.slice(0, 80));
              }
            }
          }
          return [found, lost];
        }"""
    )
    assert lost == [11, []]


def test_nothing_comes_from_the_web_and_nothing_fails(opened):
    assert opened.foreign == []
    assert opened.errors == []


def test_the_keys_of_the_formgrader_work(browser, addresses):
    page = Opened(browser, addresses["formgrader"]).page
    page.wait_for_function("formgrader.keyboard_manager !== undefined && MathJax.loaded")
    page.locator("textarea.comment").first.focus()
    before = page.evaluate("$('.tabbable').index(document.activeElement)")
    page.keyboard.press("Tab")
    assert page.evaluate("$('.tabbable').index(document.activeElement)") == before + 1
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("$('.tabbable').index(document.activeElement)") == before
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")
    page.locator(".help").click()
    assert "Move to the next score or comment input" in page.locator("#help-dialog").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["feedback", "index"])
def test_a_students_page_fits_and_can_be_read_by_everybody(browser, addresses, name, width, theme):
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(addresses[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground, text = page.evaluate("(one => [one.backgroundColor, one.color])(getComputedStyle(document.body))")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) is (theme == "dark")
    assert (sum(map(int, re.findall(r"\d+", text))) > 500) is (theme == "dark")
    axe = next((place / AXE for place in AXE_PLACES if (place / AXE).is_file()), None)
    if axe is None:
        context.close()
        pytest.skip("no axe-core here: npm install axe-core, in this folder or a folder above")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    context.close()
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []


def test_on_paper_a_dark_page_is_light(browser, addresses):
    page = browser.new_page(color_scheme="dark")
    page.goto(addresses["feedback"])
    page.emulate_media(media="print", color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
    page.close()


def test_what_passed_is_folded_and_links_lead_to_what_did_not(browser, addresses):
    page = Opened(browser, addresses["feedback"]).page
    assert page.locator("details.check.passed").count() == 1
    assert not page.locator("details.check.passed .input_area").is_visible()
    failed = page.locator(".check.failed")
    assert "✗ failed · 0 of 2 points" in failed.inner_text()
    assert "what was expected, and what came" in failed.inner_text()
    assert "What went wrong looks like this" in failed.inner_text()
    page.get_by_role("link", name="unit — wrong value").click()
    assert page.evaluate("document.querySelector(':target').classList.contains('failed')")
    borders = [
        page.locator(one).evaluate("one => getComputedStyle(one).borderTopStyle + getComputedStyle(one).borderTopWidth")
        for one in (".check.passed", ".check.failed", ".check.open")
    ]
    assert len(set(borders)) == 3
    page.close()


def test_keys_lead_to_the_next_student(browser, addresses):
    page = Opened(browser, addresses["formgrader"]).page
    reached = set()
    for key in ("Control+.", "Control+,"):
        page.goto(addresses["formgrader"])
        page.wait_for_function("formgrader.keyboard_manager !== undefined && MathJax.loaded")
        with page.expect_navigation():
            page.keyboard.press(key)
        reached.add(page.url.partition("?")[0])
    # Which of the two is the next one is by chance; beyond the last one there is the list.
    assert addresses["other"] in reached
    assert reached - {addresses["other"]} == {f"{addresses['server']}/formgrader/gradebook/hw/ex"}


@pytest.mark.parametrize("name", ['x";document.title=1337;//', "x</script><script>document.title=1337</script>"])
def test_a_link_of_a_student_runs_nothing_in_the_formgrader(browser, addresses, name):
    run = "<img src=x onerror=document.title=1337>"
    with Gradebook(f"sqlite:///{addresses['course'] / 'gradebook.db'}", "test") as gradebook:
        gradebook.update_or_create_student("max", first_name="Max", last_name=run)
    try:
        for made in (name, run):
            for place in ("gradebook/{}", "gradebook/hw/{}", "manage_submissions/{}", "manage_students/{}/hw"):
                page = Opened(browser, f"{addresses['server']}/formgrader/{place.format(quote(made, safe=''))}").page
                assert page.title() == "nbgrader formgrade"
                assert made in page.locator("ol.breadcrumb").inner_text()
                page.close()
        for place in ("manage_students", "api/students"):
            page = Opened(browser, f"{addresses['server']}/formgrader/{place}").page
            page.get_by_text(run).first.wait_for()
            assert page.title() != "1337"
            page.close()
    finally:
        with Gradebook(f"sqlite:///{addresses['course'] / 'gradebook.db'}", "test") as gradebook:
            gradebook.remove_student("max")


def test_lists_with_their_buttons_work_under_their_policy(browser, addresses):
    opened = Opened(browser, f"{addresses['server']}/formgrader/gradebook/hw/ex")
    names = opened.page.locator("a.name-shown")
    names.first.wait_for(state="attached")
    assert not names.first.is_visible()
    opened.page.locator("#toggle_names").click()
    names.first.wait_for(state="visible")
    for place, words in (("manage_assignments", "Add New Assignment"), ("manage_students", "Add New Student")):
        opened.page.goto(f"{addresses['server']}/formgrader/{place}")
        opened.page.wait_for_load_state("networkidle")
        opened.page.locator("tfoot a").click()
        opened.page.locator(".modal-title", has_text=words).wait_for()
    assert opened.errors == []
    opened.page.close()


@pytest.mark.parametrize(
    ("place", "where", "names"),
    [
        ("manage_students", "tbody tr td:first-child a", ["ada", "Bob", "Vries, de, Cyd", "zoe"]),
        ("manage_submissions/hw", "tbody tr td.student-name", ["ada", "zoe"]),
        ("gradebook/hw/ex", "a.name-shown", ["ada", "zoe"]),
    ],
)
def test_students_without_names_are_shown_by_their_ids(browser, addresses, place, where, names):
    page = Opened(browser, f"{addresses['server']}/formgrader/{place}").page
    page.locator(where).first.wait_for(state="attached")
    # The order of submissions is by chance, so that it tells nobody's name.
    shown = [text.strip() for text in page.locator(where).all_text_contents()]
    assert sorted(shown, key=str.casefold) == names


def test_the_fields_of_a_student_without_a_name_stay_empty(browser, addresses):
    page = Opened(browser, f"{addresses['server']}/formgrader/manage_students").page
    page.locator("tbody tr", has_text="ada").locator(".edit a").click()
    assert page.locator("input.modal-last-name").input_value() == ""


def test_an_answer_is_marked_by_keys_and_the_next_one_follows(browser, addresses):
    submission = addresses["other"].rstrip("/").split("/")[-1]
    question = f"{addresses['server']}/formgrader/mark/hw/ex/q1/"
    opened = Opened(browser, f"{question}{submission}/")
    page = opened.page
    page.wait_for_selector("body[data-marking=ready]")
    page.wait_for_function("() => formgrader.grades.loaded && formgrader.comments.loaded && MathJax.loaded")
    page.wait_for_function("() => document.activeElement === document.body")
    keys = [("1", "1.5"), ("2", "2"), ("Shift+Digit1", "1"), ("2", "0.5"), ("1", "1.5"), ("1", "null"), ("0", "0")]
    for key, score in [*keys, ("1", "1.5")]:
        page.keyboard.press(key)
        page.wait_for_function(f"() => formgrader.grades.at(0).get('manual_score') === {score}")
    assert page.locator("textarea.comment").input_value() == "- **1½ of 1½**: the **square**"
    assert page.locator("input.score").input_value() == "1.5"
    marked, damaged = marked_by.read(addresses["course"], "hw")
    assert [(one.cell, one.score) for one in marked][-1] == ("q1", 1.5)
    assert damaged == []
    assert page.locator(".proctor-marking math").count() == 1
    with page.expect_navigation():
        page.keyboard.press("n")
    assert page.url.startswith(question)
    assert submission not in page.url
    assert opened.errors == []
    # Without the token of the page nobody writes.
    status = page.evaluate(
        "id => fetch('/formgrader/api/marking/' + id, {method: 'PUT', body: '{}'}).then(one => one.status)", submission
    )
    assert status == 403
    page.goto(f"{addresses['server']}/formgrader/mark/hw/ex/")
    assert "1 of 2" in page.locator("table").inner_text()
    page.close()


def test_a_page_with_all_answers_has_a_panel_before_each(browser, addresses):
    page = Opened(browser, addresses["other"]).page
    page.wait_for_selector("body[data-marking=ready]")
    panel = page.locator(".proctor-marking")
    assert panel.count() == 1
    assert "It is" in panel.locator("details").nth(1).inner_text()
    assert panel.evaluate("one => one.nextElementSibling.querySelector('#q1') !== null")
    panel.locator("button.item").nth(2).click()
    page.wait_for_function("() => formgrader.grades.at(0).get('manual_score') !== null")
    page.close()


def test_a_price_that_was_changed_is_shown_before_it_changes_points(browser, addresses):
    source = addresses["course"] / "source" / "hw" / "ex.ipynb"
    before = source.read_text(encoding="utf-8")
    page = Opened(browser, addresses["other"].replace("/submissions/", "/mark/hw/ex/q1/")).page
    score = "formgrader.grades.at(0).get('manual_score')"

    def load(scheme: str) -> None:
        source.write_text(scheme, encoding="utf-8")
        page.reload()
        page.wait_for_selector("body[data-marking=ready]")
        page.wait_for_function("() => formgrader.grades.loaded && formgrader.comments.loaded")
        page.wait_for_function("() => document.activeElement === document.body")

    try:
        load(before)
        page.keyboard.press("0")
        page.wait_for_function(f"() => {score} === 0")
        page.keyboard.press("1")
        page.wait_for_function(f"() => {score} === 1.5")
        load(before.replace("- 1½: the", "- 1: the"))
        assert "add up to 1½ and the answer has 2" in page.locator(".problems").inner_text()
        page.get_by_text("Show what would change").click()
        page.get_by_text("Change them").click()
        page.get_by_text("correct the marking scheme in source/ first").wait_for()
        load(before.replace("- 1½: the", "- 1: the").replace("- ½: the rest", "- 1: the rest"))
        assert page.locator(".problems").count() == 0
        page.get_by_text("Show what would change").click()
        page.get_by_text("1.5 → 1", exact=False).wait_for()
        assert page.evaluate(score) == 1.5
        with page.expect_navigation():
            page.get_by_text("Change them").click()
        page.wait_for_function("() => formgrader.grades && formgrader.grades.loaded")
        assert page.evaluate(score) == 1
        assert page.locator("textarea.comment").input_value() == "- **1 of 1**: the **square**"
    finally:
        source.write_text(before, encoding="utf-8")
        page.close()
