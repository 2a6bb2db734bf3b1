"""Guesses that are written down before an experiment runs, kept under ``runs/``, and shown beside what came out.

Nobody grades them: who has said what they expect looks harder at the result.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dl1.errors import CourseError
from dl1.notebook import runs

_FILE = "predictions.json"


def predict(experiment: str, title: str, guesses: Mapping[str, float | None]) -> None:
    """Keep guesses, and say what is still missing. A guess can be changed; None is none yet.

    Args:
        experiment: folder under ``runs/``.
        title: of what is guessed, such as "test accuracy of Net1".
        guesses: numbers by name, in the unit of the result.

    Raises:
        CourseError: a guess is no number, or the file is damaged.
    """
    wrong = [name for name, guess in guesses.items() if isinstance(guess, bool) or not _is_guess(guess)]
    if wrong:
        raise CourseError(f"a guess is a number, or None: correct {', '.join(wrong)}")
    path = runs.run_folder(experiment) / _FILE
    kept = runs.load_result(path) or {}
    kept[title] = {name: guess for name, guess in guesses.items() if guess is not None}
    runs.save_result(path, kept)
    open_ones = [name for name, guess in guesses.items() if guess is None]
    if open_ones:
        print(
            f"{title}: no guess yet for {', '.join(open_ones)}. Put a number in place of None, and run this cell again."
        )
    else:
        print(f"{title}: kept. The result will stand beside it.")


def predictions(experiment: str, title: str) -> dict[str, float]:
    """The guesses that were kept, by name; empty where there are none."""
    try:
        kept = (runs.load_result(runs.run_folder(experiment) / _FILE) or {}).get(title, {})
    except CourseError:
        return {}
    return (
        {str(name): float(guess) for name, guess in kept.items() if guess is not None and _is_guess(guess)}
        if isinstance(kept, dict)
        else {}
    )


def beside_predictions(experiment: str, title: str, found: Mapping[str, float]) -> pd.DataFrame:
    """A table with a row for each result: your guess, what was measured, and by how much the guess was off."""
    guesses = predictions(experiment, title)
    table = pd.DataFrame(
        {"your guess": {name: guesses.get(name, float("nan")) for name in found}, "measured": dict(found)}
    )
    return table.assign(difference=table["measured"] - table["your guess"])


def _is_guess(guess: object) -> bool:
    return guess is None or (isinstance(guess, (int, float)) and abs(guess) < 1e9)
