"""The last cell of each notebook: what a hand-in would say, and the hand-in itself if it is asked for."""

from __future__ import annotations

from IPython import get_ipython

from dl1.handing_in.folder import Folder, content_of, find_folder, look_into
from dl1.handing_in.handin_command import hand_in_folder, look
from dl1.handing_in.unsaved import not_in_file
from dl1.merging import cells as notebook_cells
from dl1.merging import notebook_file
from dl1.merging.submitted import cells_of
from dl1.notebook.runs import is_rerun


def hand_in(submit: bool = False) -> None:
    """Look at the folder of this notebook; nothing where nbgrader runs it.

    Args:
        submit: whether to hand it in as well. *Run All* runs this cell, too: so it only looks until you say otherwise.

    Raises:
        CourseError: the folder can't be read, or nothing was handed in.
    """
    if is_rerun():
        return
    folder = look_into(find_folder(None))
    if _is_of_staff(folder):
        print(
            f"{folder.path} is the staff's: its notebooks have solutions in them, and nothing is handed in from here.\n"
            "In a student's folder this cell says what is unfinished or broken, and hands in when it is asked to."
        )
        return
    sources = [cell.source for notebook in folder.notebooks.values() for cell in notebook.cells]
    shell = get_ipython()
    # The last one is this cell, of which nobody needs to save `submit=True`.
    ran = shell.history_manager.input_hist_raw[:-1] if shell is not None else []
    if any(not_in_file(text, sources) for text in ran[-1:]):
        print("What you ran last does not stand in the files: save the notebook (Ctrl+S), and run this cell again.")
    look(folder, ask_servers=False)
    if submit:
        hand_in_folder(folder)
        print("Now make this cell hand_in() again: as it is, Run All Cells would hand in anew.")
    else:
        print("To hand it in: hand_in(submit=True), or in a terminal: python -m dl1.handin")


def _is_of_staff(folder: Folder) -> bool:
    """Whether these are an instructor's notebooks: a release has a description beside it, and no solutions."""
    if folder.given is not None:
        return False
    for path in (name for name in folder.files if name.endswith(".ipynb")):
        content, _ = notebook_file.parsed(content_of(folder.path / path) or b"")
        if any(notebook_cells.scan_regions(cell.source, "SOLUTION")[0] for cell in cells_of(content or {})):
            return True
    return False
