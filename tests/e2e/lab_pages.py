"""What people do in JupyterLab, in a page of Playwright's: open a notebook, type answers, validate, submit, read."""

from __future__ import annotations

from collections.abc import Mapping

NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)"
MILLISECONDS = 120_000
STUBS = ("YOUR CODE HERE", "YOUR ANSWER HERE")


def opened(browser, address: str):
    """A page of somebody who has a browser of his own, at a window's usual size."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    return page


def log_in(page, name: str) -> None:
    """At a hub, whose first page asks for it; an account's password is its name."""
    page.locator("#username_input").fill(name)
    page.locator("#password_input").fill(name)
    page.locator("#login_submit").click()


def wait_for_lab(page) -> None:
    page.locator("#jp-MainMenu").wait_for()


def choose(page, menu: str, entry: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu-item:visible", has_text=entry).click()


def show_tab(page, title: str) -> None:
    page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=title).click()


def assignment(page, kind: str, name: str):
    """A line of the Assignment List: of what is `released`, `fetched` or `submitted`."""
    return page.locator(f"#{kind}_assignments_list > .list_item", has_text=name)


def fetch(page, name: str) -> None:
    """Fetch an assignment."""
    choose(page, "Nbgrader", "Assignment List")
    assignment(page, "released", name).get_by_role("button", name="Fetch").click()
    assignment(page, "fetched", name).wait_for()


def open_fetched(page, name: str, notebook: str) -> None:
    """Open a notebook from the Assignment List; the first cell is then the active one."""
    line = assignment(page, "fetched", name)
    line.locator("a.assignment-notebooks-link").click()
    line.locator(".nested_list_item a", has_text=notebook).click()
    wait_for_notebook(page)


def wait_for_notebook(page) -> None:
    page.locator(f"{NOTEBOOK} .jp-Cell").first.click()
    page.keyboard.press("Escape")


def type_into_cell(page, text: str) -> None:
    """Replace what stands in the active cell."""
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def fill_in(page, answers: Mapping[str, str]) -> list[str]:
    """Run the notebook from its first cell on, with answers in place of the stubs, and save it.

    Args:
        answers: by words that stand in the cell.

    Returns:
        The words whose cells were found.
    """
    active = page.locator(f"{NOTEBOOK} .jp-Cell.jp-mod-active")
    found = []
    while len(found) < len(answers):
        text = active.inner_text()
        for words in [one for one in answers if one in text and any(stub in text for stub in STUBS)]:
            type_into_cell(page, answers[words])
            found.append(words)
        before = active.element_handle()
        page.keyboard.press("Shift+Enter")
        page.wait_for_function("one => !one.classList.contains('jp-mod-active')", arg=before)
    save(page)
    return found


def save(page) -> None:
    """Save the notebook, and wait until it is saved."""
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.lm-TabBar-tab.lm-mod-current.jp-mod-dirty')")


def validate(page) -> str:
    """What the button says of the notebook."""
    page.locator(NOTEBOOK).get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for()
    said = dialog.inner_text()
    dialog.get_by_role("button", name="Ok").click()
    return said


def submit(page, name: str) -> None:
    """Hand an assignment in, in the Assignment List that is open."""
    show_tab(page, "Assignments")
    assignment(page, "fetched", name).get_by_role("button", name="Submit").click()
    assignment(page, "submitted", name).wait_for()


def read_feedback(page, name: str, notebook: str) -> str:
    """Fetch the feedback of an assignment, open a notebook's page, and give the text on it."""
    show_tab(page, "Assignments")
    line = assignment(page, "submitted", name)
    line.get_by_role("button", name="Fetch Feedback").click()
    line.get_by_text("(view feedback)").click()
    page.locator(".jp-DirListing-item", has_text=f"{notebook}.html").dblclick()
    shown = page.frame_locator(".jp-HTMLViewer iframe").locator("body")
    shown.get_by_text("Your result").wait_for()
    return shown.inner_text()
