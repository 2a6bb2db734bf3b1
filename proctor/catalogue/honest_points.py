"""Decides by rule whether a cheat's points for a test cell are for what it told the cell rightly.

They are if the cell gives them to the reference, too, with rubbish in place of every number in which the cheat's words
differed from the reference's; and if that holds for inputs that are drawn anew. So neither luck nor a property that
other values have as well is taken for a right answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proctor.catalogue import told
from proctor.catalogue.forked import Outcome, run_forked

# Inputs are drawn from them once more; any two would do.
_FRESH = (b"fresh inputs", b"other fresh inputs")


class Judge:
    """Of one solution cell.

    Args:
        run: runs the notebook with other texts of some cells, as `cheat_runs` does.
        tests: grade_ids of the test cells.
        key: from which the cheats' inputs were drawn.
        files: begin of the names of files with what cells were told.
        at: how many processes at once and for how many seconds, as `run_forked` takes them.
    """

    def __init__(
        self, run: Callable[..., Any], tests: Sequence[str], key: bytes | None, files: Path, at: Mapping[str, Any]
    ) -> None:
        self._run = run
        self._tests = tests
        self._keys = (key, *_FRESH)
        self._files = files
        self._at = at
        self._right: dict[bytes | None, dict[str, list[told.Call]]] = {}

    def is_right(self, cheat: Callable[..., Any], cell: str, *, loses: bool) -> bool:
        """Whether the points that a cheat has for a cell are honest.

        Args:
            cheat: runs the notebook with the cheat.
            loses: whether it loses another cell of the question. Who tells something wrong and loses nothing at all was
                asked for it nowhere.
        """
        return all(self._is_right(cheat, cell, key, loses) for key in self._keys)

    def _is_right(self, cheat: Callable[..., Any], cell: str, key: bytes | None, loses: bool) -> bool:
        outcome, words = self._heard(cheat, key)
        if outcome.failure:
            return False
        message, deviations, outside = outcome.value["cells"][cell]
        if message is not None:
            return False
        if not deviations:
            return True
        right, own = self._of_reference(key).get(cell, []), words[cell]
        if outside or not told.are_alike(right, own):
            return False
        if not told.differ(right, own):
            return True
        if not loses:
            return False
        jobs = {
            rubbish: functools.partial(
                self._run, {}, key=key, change=functools.partial(_changed, cell, right, own, rubbish)
            )
            for rubbish in told.RUBBISH
        }
        outcomes = [one for _, one in run_forked(jobs, **self._at)]
        return all(one.failure is None and one.value["cells"][cell][0] is None for one in outcomes)

    def _of_reference(self, key: bytes | None) -> dict[str, list[told.Call]]:
        if key not in self._right:
            self._right[key] = self._heard(functools.partial(self._run, {}), key)[1]
        return self._right[key]

    def _heard(self, run: Callable[..., Any], key: bytes | None) -> tuple[Outcome, dict[str, list[told.Call]]]:
        file = self._files.with_suffix(".told")
        file.unlink(missing_ok=True)
        ((_, outcome),) = run_forked({"heard": functools.partial(run, key=key, note_told=file)}, **self._at)
        return outcome, told.load(file) if file.exists() else {}


def _changed(
    cell: str, right: list[told.Call], own: list[told.Call], rubbish: str, current: str, number: int, value: Any
) -> Any:
    return told.spoiled(right, own, rubbish, number, value) if current == cell else value
