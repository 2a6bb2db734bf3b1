"""What a TA does in the formgrader, in a page of Playwright's."""

from __future__ import annotations


def press(page, row: str, column: str) -> str:
    """Press a button of a table's row; gives what the window says then, and closes it.

    Args:
        column: class of the button's cell, "autograde" for one.
    """
    page.locator("tbody tr", has_text=row).locator(f".{column} a").click()
    window = page.locator(".modal.in", has=page.locator(".modal-title", has_not_text="Please wait"))
    window.wait_for()
    said = window.inner_text()
    window.get_by_role("button", name="OK").click()
    window.wait_for(state="detached")
    return said


def show_submissions(page, assignment: str) -> None:
    """From the list of assignments to the one of its submissions."""
    page.locator("tbody tr", has_text=assignment).locator(".num-submissions a").click()
    page.locator("td.autograde").first.wait_for()


def show_question(page, formgrader: str, assignment: str, notebook: str, cell: str) -> None:
    """Open the first unmarked answer of one question for all students."""
    page.goto(f"{formgrader}/mark/{assignment}/{notebook}/")
    page.get_by_role("link", name=cell, exact=True).click()
    wait_for_panel(page)


def wait_for_panel(page) -> None:
    page.wait_for_selector("body[data-marking=ready]")
    page.wait_for_function("() => formgrader.grades && formgrader.grades.loaded && formgrader.comments.loaded")
