"""All notebooks in a student's JupyterLab: dark theme, a window of 1280×800, with deploy/student's settings.

One widget is used by mouse and by keyboard. Released notebooks look the same; these are the source's, unrun.
"""

import json
import shutil

import pytest

from tests.e2e.lab_window import NEEDS_CHROMIUM, NOTEBOOK, ROOT, lab, opened

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
NOTEBOOKS = sorted((ROOT / "source/assignment2").glob("*.ipynb"))
DARK = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a JupyterLab on a copy of the assignment."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "source/assignment2", folder / "work")
    # What the package's own file switches on, also where the environment still has an older one.
    (folder / "kit/jupyter_server_config.d").mkdir(parents=True)
    shutil.copy(ROOT / "dl1/jupyter/dl1.json", folder / "kit/jupyter_server_config.d")
    (folder / "kit/labconfig").mkdir()
    (folder / "kit/labconfig/default_setting_overrides.json").write_text(json.dumps(DARK))
    with lab(folder, folder / "work", [ROOT / "deploy/student", folder / "kit"]) as made:
        yield made


def test_every_notebook_is_dark_and_fits_its_window(page, address):
    for notebook in NOTEBOOKS:
        opened(page, address, notebook.name)
        look = page.evaluate(
            """selector => {
              const panel = document.querySelector(selector);
              const right = panel.getBoundingClientRect().right + 1;
              const wide = [...panel.querySelectorAll('.jp-RenderedMarkdown :is(img, p, table, h1, h2, h3)')]
                .filter(one => one.getBoundingClientRect().right > right).map(one => one.outerHTML.slice(0, 80));
              return [document.body.dataset.jpThemeLight, wide,
                [...document.styleSheets].some(one => (one.href || '').includes('custom/custom.css'))];
            }""",
            NOTEBOOK,
        )
        assert look == ["false", [], True], notebook.name


def test_the_menu_is_a_students_and_nothing_asks_for_news(page, address):
    opened(page, address, NOTEBOOKS[0].name)
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    entries = page.locator(".lm-Menu-item:visible").all_inner_texts()
    page.keyboard.press("Escape")
    assert [one.strip() for one in entries if one.strip()] == ["Assignment List"]
    assert page.locator(".Toastify__toast").count() == 0


def test_controls_and_picture_of_a_widget_are_seen_at_once_and_move(page, address):
    opened(page, address, NOTEBOOKS[0].name)
    cells = page.locator(f"{NOTEBOOK} .jp-CodeCell")
    for number in (0, 1):
        cells.nth(number).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
    picture = page.locator("img.dl1-drawing")
    picture.wait_for()
    box = page.locator(".jp-OutputArea-output:has(img.dl1-drawing)").bounding_box()
    panel = page.locator(f"{NOTEBOOK}").bounding_box()
    assert box["height"] < min(panel["height"], 679)
    said = {picture.get_attribute("alt")}
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("old => document.querySelector('img.dl1-drawing').alt !== old", arg=next(iter(said)))
    said.add(picture.get_attribute("alt"))
    page.locator(".jp-OutputArea-output [role=slider]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("old => !old.includes(document.querySelector('img.dl1-drawing').alt)", arg=list(said))
