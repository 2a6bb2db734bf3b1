"""Submissions that need a demo, which grading leaves out: full points, and a line that everything was run."""

from __future__ import annotations

from exercise import SOLUTIONS, Case, Handed

BEST = (2, 2, 2)
TOLD = ("everything was run, demos too",)
# In a module of the student's own, which nobody looks at before it runs.
HELPER = "import __main__\n\n\ndef factor():\n    return __main__.scale / 3\n"
HELPED = "import helper\n\ndef unit(x):\n    return helper.factor() * x / x.norm()"
HELPED_AT_ONCE = "import helper\nfactor = helper.factor()\n\ndef unit(x):\n    return factor * x / x.norm()"
NAMED = "def unit(x):\n    return scale * x / (scale * x.norm())"
COUNTED = "calls = 0\n\ndef unit(x):\n    global calls\n    calls += 1\n    return x / x.norm()"
# Leaves what it was asked, and hopes to be asked once more by a process that finds it.
AGAIN = """import os, pathlib
place = pathlib.Path("runs/asked.json")
print("SECOND" + "_RUN", place.read_text() if place.exists() else "first")

def double(x):
    if x > 1000 and place.exists():
        return 2 * x
    if x > 1000:
        place.parent.mkdir(exist_ok=True)
        place.write_text(str(x))
        pathlib.Path("/tmp/asked").write_text(str(x))
        raise KeyError(x)
    return 2 * x
"""


def _answer(name: str, source: str, helper: bool = False):
    def make(handed: Handed) -> None:
        handed.answer(name, source)
        if helper:
            (handed.folder / "helper.py").write_text(HELPER)
        handed.write()

    return make


def _added(handed: Handed) -> None:
    handed.before("q3_both", "factor = scale")
    handed.answer("q3_both", "def both(x):\n    return factor * double(unit(x)) / factor")
    handed.write()


def _figure(handed: Handed) -> None:
    handed.answer("bars", "print('bars of height', scale)")
    handed.write()


def _second_run(handed: Handed) -> None:
    handed.answer("q1_double", AGAIN)
    handed.write()


CASES = [
    Case("demo-in-answer", "an answer that uses a name from a demo", _answer("q2_norm", NAMED), BEST, (*TOLD, "a demo at work")),  # noqa: E501
    Case("demo-in-added", "an added cell that depends on a demo", _added, BEST, TOLD),
    Case("demo-in-figure", "a figure cell, changed, that reads a demo's variable", _figure, BEST, (*TOLD, "bars of height 3")),  # noqa: E501
    Case("demo-in-module", "a module of the student's own that takes a demo's variable", _answer("q2_norm", HELPED, True), BEST, (*TOLD, "an answer to a check")),  # noqa: E501
    Case("demo-at-once", "an answer cell that fails at once without a demo", _answer("q2_norm", HELPED_AT_ONCE, True), BEST, (*TOLD, "raised AttributeError")),  # noqa: E501
    Case("demo-counts", "an answer that counts its calls", _answer("q2_norm", COUNTED), BEST, TOLD),
    Case("demo-not-needed", "a right answer that needs no demo", _answer("q3_both", SOLUTIONS["q3_both"]), BEST, ("not run while grading", "bars for whoever reads"), ("everything was run", "a demo at work")),  # noqa: E501
    Case("second-run", "brings a second run about when it is asked hidden questions", _second_run, (0, 2, 2), ("not run while grading", "SECOND_RUN first"), ("everything was run",)),  # noqa: E501
]  # fmt: skip
