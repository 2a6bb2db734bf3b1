"""Both pages in a browser without a network: what stands on them, their pictures, and the keys of the formgrader."""

import base64
import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import nbgrader
import pytest
from formgrader_server import Server
from nbgrader.api import Gradebook
from page_text import IN_BROWSER, graded, normal
from traitlets.config import Config
from unlucky_pages import TEXTS, picture

from proctor.pages.notes import aside_output, note_output
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


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """Where the two pages are, by name."""
    folder = tmp_path_factory.mktemp("pages")
    # As nbgrader's GenerateFeedback has it.
    templates = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [str(templates / "templates")]
    config.HTMLExporter.extra_template_paths = [
        str(templates / "static" / "node_modules" / "bootstrap" / "dist" / "css")
    ]
    page = nbformat.from_dict(notebook())
    for cell in page.cells:
        cell.metadata.setdefault("nbgrader", {}).update(score=1.0, comment=None)
    scores = {"notebook": "ex", "score": 6.0, "max_score": 7.0, "late_penalty": 0}
    resources = {"metadata": {"name": "ex"}, "nbgrader": scores}
    made, _ = FeedbackExporter(config=config).from_notebook_node(page, resources)
    assert 'id="toc"' in made
    (folder / "feedback.html").write_text(made, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        server = Server(folder)
        try:
            server.wait()
            address = server.submit("ada", content=json.dumps(notebook()))
            other = server.submit("zoe", "*another one*")
            with Gradebook(f"sqlite:///{server.folder / 'gradebook.db'}", "test") as gradebook:
                gradebook.update_or_create_student("bob", first_name="Bob")
                gradebook.update_or_create_student("cyd", first_name="Cyd", last_name="Vries, de")
            yield {
                "server": f"http://127.0.0.1:{server.port}",
                "formgrader": f"http://127.0.0.1:{server.port}{address}",
                "other": f"http://127.0.0.1:{server.port}{other}",
                "feedback": (folder / "feedback.html").as_uri(),
            }
        finally:
            server.process.terminate()
            server.process.wait()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # As root Chromium runs without its own sandbox only; these pages are ours.
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield made
        made.close()


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
