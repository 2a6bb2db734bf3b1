"""Notebooks that were handed in under another name, in another place, or twice."""

from __future__ import annotations

import json
import zipfile

from exercise import WRONG, Case, Handed
from unlucky import BEST

USES_A_RESULT = "import json\ndef double(x):\n    return json.load(open('runs/two.json')) * x"


def _untouched(handed: Handed, name: str) -> None:
    """The notebook as it was given out."""
    kept = {cell["id"]: cell["source"] for cell in handed.notebook["cells"]}
    for question in ("q1_double", "q2_norm", "q3_both"):
        handed.answer(question, f"{kept[question].splitlines()[0]}\n    raise NotImplementedError()")
    handed.write(name)
    for question, source in kept.items():
        handed.answer(question, source)


def _beside_scratch(handed: Handed) -> None:
    handed.write("exercise (1).ipynb")
    (handed.folder / "scratch.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (handed.folder / "._exercise (1).ipynb").write_bytes(b"\x00\x05\x16\x07 of a Mac")


def _text_file(handed: Handed) -> None:
    handed.write("exercise.ipynb.txt")


def _copy(handed: Handed) -> None:
    _untouched(handed, "exercise.ipynb")
    handed.write("exercise-Copy1.ipynb")


def _backup(handed: Handed) -> None:
    handed.answer("q1_double", WRONG)
    handed.write("Kopie von exercise.ipynb")
    handed.answer("q1_double", "def double(x):\n    return 2 * x")
    handed.write()


def _below(handed: Handed) -> None:
    (handed.folder / "home work" / "final").mkdir(parents=True)
    handed.answer("q1_double", USES_A_RESULT)
    handed.write("home work/final/exercise.ipynb")
    (handed.folder / "home work" / "final" / "runs").mkdir()
    (handed.folder / "home work" / "final" / "runs" / "two.json").write_text("2")
    (handed.folder / "home work" / "final" / "timestamp.txt").write_text("2000-01-01 00:00:00 UTC")


def _zipped(handed: Handed) -> None:
    handed.answer("q1_double", USES_A_RESULT)
    with zipfile.ZipFile(handed.folder / "homework.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("homework/exercise.ipynb", json.dumps(handed.notebook))
        archive.writestr("homework/runs/two.json", "2")
        archive.writestr("__MACOSX/homework/._exercise.ipynb", b"\x00\x05\x16\x07")
        archive.writestr("../../escaped.txt", "x")


def _photos(handed: Handed) -> None:
    # Seven of seven megabytes, a third more as text: with them the file is larger than may be read.
    essay = handed.cell("q4_why")
    essay["attachments"] = {f"{number}.jpg": {"image/jpeg": "/9j/" + "A" * 9_700_000} for number in range(7)}
    handed.write()


def _rar(handed: Handed) -> None:
    (handed.folder / "homework.rar").write_bytes(b"Rar!\x1a\x07\x01\x00")


CASES = [
    Case("renamed-beside", "another name, beside a scratch notebook and what a Mac leaves", _beside_scratch, BEST, ("was taken for exercise.ipynb", "scratch.ipynb is no notebook")),  # noqa: E501
    Case("text-file", "a browser saved it as .ipynb.txt", _text_file, BEST, ("was taken for exercise.ipynb",)),
    Case("worked-copy", "worked in a copy, the notebook itself is untouched", _copy, BEST, ("it has more answers",)),
    Case("backup", "an older copy with wrong answers lies beside it", _backup, BEST, ("exercise.ipynb counts",)),
    Case("below", "two folders further down, with its results", _below, BEST, ("another folder",)),
    Case("zipped", "in a zip archive, with its results", _zipped, BEST, ("homework.zip/homework/exercise.ipynb was taken", "leads out of the archive")),  # noqa: E501
    Case("photos", "seven photos of seven megabytes pasted into an essay", _photos, BEST, ("the answers count",)),
    Case("rar", "in an archive of another kind", _rar, (0, 0, 0), ("homework.rar was not opened", "was not handed in")),
]  # fmt: skip
