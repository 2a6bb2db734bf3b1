"""The last cell of each notebook: what a hand-in would say, and the hand-in itself if it is asked for."""

from __future__ import annotations

from IPython import get_ipython

from dl1.handing_in.folder import find_folder, look_into
from dl1.handing_in.handin_command import hand_in_folder, look
from dl1.handing_in.unsaved import not_in_file
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
    sources = [cell.source for notebook in folder.notebooks.values() for cell in notebook.cells]
    shell = get_ipython()
    # The last one is this cell, of which nobody needs to save `submit=True`.
    ran = shell.history_manager.input_hist_raw[:-1] if shell is not None else []
    if any(not_in_file(text, sources) for text in ran[-1:]):
        print("What you ran last does not stand in the files: save the notebook (Ctrl+S), and run this cell again.")
    look(folder, ask_servers=False)
    if submit:
        hand_in_folder(folder)
    else:
        print("To hand it in: hand_in(submit=True), or in a terminal: python -m dl1.handin")
