"""What an author does in JupyterLab, in a page of Playwright's: cells, and their roles in Create Assignment."""

from __future__ import annotations

import json
from typing import Any

from lab_pages import NOTEBOOK, choose, type_into_cell

ACTIVE = f"{NOTEBOOK} .jp-Cell.jp-mod-active"
ROLE = ".nbgrader-CellWidget.nbgrader-mod-active"


def select(page, words: str) -> None:
    """Make the cell in which some words stand the active one; no cell's text is edited then."""
    page.locator(f"{NOTEBOOK} .jp-Cell", has_text=words).locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Escape")


def select_last(page) -> None:
    """Make the last cell the active one; in the notebook a click would unfold a check."""
    show_side(page, "nbgrader-create_assignemnt")
    page.locator(".nbgrader-CellWidget").last.locator(".nbgrader-CellHeader").click()
    page.locator(f"{ACTIVE} .jp-InputPlaceholder").wait_for()
    page.locator(ACTIVE).focus()


def add_below(page, text: str, markdown: bool = False) -> None:
    """A new cell below the active one, which is then active itself."""
    page.keyboard.press("b")
    if markdown:
        page.keyboard.press("m")
    type_into_cell(page, text)
    page.keyboard.press("Escape")


def replace(page, words: str, text: str) -> None:
    """Replace all that stands in a cell."""
    select(page, words)
    type_into_cell(page, text)
    page.keyboard.press("Escape")


def show_side(page, name: str) -> None:
    """Show a part of the right sidebar, unless it is shown."""
    tab = page.locator(f'.jp-SideBar.jp-mod-right [data-id="{name}"]')
    if tab.get_attribute("aria-selected") != "true":
        tab.click()


def give_role(page, role: str, name: str, points: float | None = None) -> None:
    """Say in Create Assignment what the active cell is, as its list calls it."""
    show_side(page, "nbgrader-create_assignemnt")
    cell = page.locator(ROLE)
    cell.locator("select").select_option(label=role)
    cell.locator(".nbgrader-CellId input").fill(name)
    cell.locator(".nbgrader-CellId input").press("Enter")
    if points is not None:
        cell.locator(".nbgrader-CellPoints input").fill(f"{points:g}")
        cell.locator(".nbgrader-CellPoints input").press("Enter")
    page.locator(f"{ACTIVE} .jp-InputPrompt").click()


def open_tools(page) -> None:
    show_side(page, "jp-property-inspector")
    for name in ("Common Tools", "Advanced Tools"):
        page.locator(".jp-Collapse-header-collapsed", has_text=name).click()


def add_tag(page, tag: str) -> None:
    """Give the active cell a tag."""
    field = page.locator(".jp-CellTags-Add")
    field.click()
    field.fill(tag)
    field.press("Enter")
    page.locator(".jp-CellTags-Applied", has_text=tag).wait_for()


def fold(page) -> None:
    """Fold the code of the active cell."""
    choose(page, "View", "Collapse Selected Code")


def declare(page, known: dict[str, Any]) -> None:
    """Write the notebook's metadata."""
    editor = page.locator(".jp-MetadataEditorTool").last
    editor.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(json.dumps(known))
    editor.locator("[title='Commit changes to data']").click()
