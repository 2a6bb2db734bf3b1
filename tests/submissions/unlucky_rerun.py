"""Notebooks that pass with *Run All* and were once graded as something else: the points are those of running them."""

from __future__ import annotations

import json

from exercise import SOLUTIONS, Case, Handed

BEST = (2, 2, 2)
UNIT = "def unit(x):\n    return x / x.norm()"
STUB = "def unit(x):\n    raise NotImplementedError()"
ESSAY = "Because the sum grows with the number of terms."


def _own(source: str, kind: str = "code") -> dict:
    made = {"cell_type": kind, "id": f"typed-{len(source)}", "metadata": {}, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _copy(cell: dict, source: str, name: str) -> dict:
    return json.loads(json.dumps(cell)) | {"source": source, "id": name}


def _pieces(name: str, *texts: str, between: tuple[str, ...] = ()):
    """The answer cell split as JupyterLab does it: each part has the metadata, and the later ones new ids."""

    def make(handed: Handed) -> None:
        cells, cell = handed.notebook["cells"], handed.cell(name)
        cell["source"] = texts[0]
        own = [_own(source) for source in between]
        more = [_copy(cell, text, f"piece-{i}") for i, text in enumerate(texts[1:])]
        place = cells.index(cell) + 1
        cells[place:place] = [*own, *more]
        handed.write()

    return make


def _retyped(name: str, source: str, above: str | None = None, below: str | None = None, kind: str = "code"):
    """The answer cell deleted, and its text in a new cell: at its place, or beside another cell."""

    def make(handed: Handed) -> None:
        cells, cell = handed.notebook["cells"], handed.cell(name)
        beside = handed.cell(above or below) if above or below else cell
        place = cells.index(beside) + (1 if below else 0)
        cells.insert(place, _own(source, kind))
        cells.remove(cell)
        handed.write()

    return make


def _answer(name: str, source: str, *own: str):
    def make(handed: Handed) -> None:
        handed.answer(name, source)
        handed.before("q2_norm", *own)
        handed.write()

    return make


def _moved(name: str, above: str):
    def make(handed: Handed) -> None:
        cells, cell = handed.notebook["cells"], handed.cell(name)
        cells.remove(cell)
        cells.insert(cells.index(handed.cell(above)), cell)
        handed.write()

    return make


def _copied_below(handed: Handed) -> None:
    cells = handed.notebook["cells"]
    copied = _copy(handed.cell("q1_double"), "def double(x):\n    return 'later'", "copy")
    cells.insert(cells.index(handed.cell("q1_test")) + 1, copied)
    handed.write()


def _last_wins(handed: Handed) -> None:
    cells = handed.notebook["cells"]
    place = cells.index(handed.cell("q1_double"))
    handed.answer("q1_double", "def double(x):\n    return 3 * x")
    cells.insert(place + 1, _copy(handed.cell("q1_double"), SOLUTIONS["q1_double"], "copy"))
    handed.write()


def _merged(handed: Handed) -> None:
    handed.answer("q1_double", f"{SOLUTIONS['q1_double']}\n\n{UNIT}")
    handed.notebook["cells"].remove(handed.cell("q2_norm"))
    handed.write()


def _merged_into_a_test(handed: Handed) -> None:
    test = handed.cell("q1_test")
    test["source"] = f"{''.join(test['source'])}\n\n{UNIT}"
    handed.notebook["cells"].remove(handed.cell("q2_norm"))
    handed.write()


def _bare(handed: Handed) -> None:
    """As an editor saves it that knows neither ids nor metadata."""
    handed.notebook["cells"] = [
        {key: value for key, value in cell.items() if key != "id"} | {"metadata": {}}
        for cell in handed.notebook["cells"]
    ]
    handed.notebook["nbformat_minor"] = 4
    handed.write()


def _bare_with_wrong(handed: Handed) -> None:
    handed.answer("q2_norm", "def unit(x):\n    return 2 * x")
    _bare(handed)


def _colab_ids(handed: Handed) -> None:
    for number, cell in enumerate(handed.notebook["cells"]):
        cell["metadata"], cell["id"] = {"id": cell["id"]}, f"n{number}"
    handed.write()


def _imports(handed: Handed) -> None:
    setup = handed.cell("intro")
    cells = handed.notebook["cells"]
    cells.insert(cells.index(setup), _own("import math"))
    handed.answer("q2_norm", "def unit(x):\n    return x / math.sqrt((x * x).sum())")
    handed.write()


def _essay_pieces(handed: Handed) -> None:
    cells, cell = handed.notebook["cells"], handed.cell("q4_why")
    cell["source"] = "Why?\n\nFirst part."
    cells += [
        _copy(cell, "Second part.", "b"),
        _own("sum([1])"),
        _copy(cell, "Third part.", "c"),
        _copy(cell, "Fourth.", "d"),
    ]
    handed.write()


def _essay_elsewhere(handed: Handed) -> None:
    cells = handed.notebook["cells"]
    cells.remove(handed.cell("q4_why"))
    cells.insert(1, _own(ESSAY, "markdown"))
    handed.write()


def _essay_below(handed: Handed) -> None:
    handed.answer("q4_why", "Why?\n\nYOUR ANSWER HERE")
    handed.notebook["cells"].append(_own(ESSAY, "markdown"))
    handed.write()


DISPLAYS = """
from IPython.display import Markdown, clear_output, display
import logging, sys, warnings
import matplotlib.pyplot as plt
from tqdm.notebook import tqdm
import ipywidgets
out, box, handle = sys.stdout, ipywidgets.Output(), display("start", display_id=True)
logging.basicConfig(stream=sys.stdout)
def unit(x):
    display(x, Markdown("**here**"))
    handle.update("again")
    plt.plot(x.tolist())
    plt.show()
    for _ in tqdm(range(2)):
        print("a", file=out)
        print("b", file=sys.__stdout__)
    with box:
        print("in a widget")
    logging.warning("logged")
    warnings.warn("warned")
    clear_output()
    return x / x.norm()
"""
SHADOWS = "sum = 0; max = 5; list = [1]; str = 'text'; len = 3; range = print = id = input = type = dict = tuple = 7"
SETTINGS = (
    "import warnings, numpy\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
    "torch.set_printoptions(precision=1)\nnumpy.seterr(all='raise')\nwarnings.filterwarnings('error')"
)
DEPENDS = "def unit(x):\n    return (x / x.norm()).to(torch.tensor(1.0).dtype)"
GPU = "def unit(x):\n    x = x.to('cuda')\n    return (x / x.norm()).cpu()"
OWN_SUM = "def unit(x):\n    return x / sum(x * x) ** 0.5"
ON_CPU = ("it is graded on a CPU: use the device of the inputs",)
TWICE = ("more than once",)
FOUND = ("q2_norm is missing; what stands in its place was taken for it",)

CASES = [
    Case("split", "an answer cell split in two", _pieces("q2_norm", "def length(x):\n    return (x * x).sum().sqrt()", "def unit(x):\n    return x / length(x)"), BEST, TWICE),  # noqa: E501
    Case("split-in-three", "an answer cell split in three, with an own cell between", _pieces("q2_norm", "power = 2", "def length(x):\n    return (x ** power).sum() ** half", "def unit(x):\n    return x / length(x)", between=("half = 0.5",)), BEST, TWICE),  # noqa: E501
    Case("copied-last-wins", "a wrong answer cell and a right copy below it", _last_wins, BEST, TWICE),
    Case("copied-too-late", "a wrong copy of an answer cell below its check", _copied_below, BEST, TWICE),
    Case("copied-untouched", "an answer cell with an untouched copy behind it", _pieces("q2_norm", UNIT, STUB), BEST, TWICE),  # noqa: E501
    Case("retyped", "an answer cell deleted and typed anew", _retyped("q2_norm", UNIT), BEST, FOUND),
    Case("retyped-timed", "an answer typed anew under %%time", _retyped("q2_norm", f"%%time\n{UNIT}"), BEST, FOUND),
    Case("retyped-as-text", "an answer typed anew in a cell of text", _retyped("q2_norm", UNIT, kind="markdown"), BEST, FOUND),  # noqa: E501
    Case("retyped-further-up", "an answer typed anew at the top", _retyped("q2_norm", UNIT, above="q1_double"), BEST, ("defined in a cell that the student added",)),  # noqa: E501
    Case("retyped-below", "an answer typed anew below its check", _retyped("q2_norm", UNIT, below="q2_test"), BEST, ("was put above",)),  # noqa: E501
    Case("retyped-wrong", "an answer cell deleted and a wrong one typed anew", _retyped("q2_norm", "def unit(x):\n    return x"), (2, 0, 2), FOUND),  # noqa: E501
    Case("moved-up", "an answer cell moved to the top", _moved("q2_norm", "q1_double")),
    Case("moved-down", "an answer cell moved below its check", _moved("q1_double", "q3_both")),
    Case("merged", "two answer cells merged into one", _merged, BEST, ("what it asks for is defined in q1_double",)),
    Case("merged-into-test", "an answer cell merged into the test above", _merged_into_a_test, BEST, FOUND),
    Case("bare", "an editor that drops ids and metadata", _bare, BEST, ("4 of 4 answers were found",)),
    Case("bare-wrong", "an editor that drops ids and metadata, and a wrong answer", _bare_with_wrong, (2, 0, 2), ("4 of 4 answers were found",)),  # noqa: E501
    Case("colab-ids", "ids in the metadata only", _colab_ids),
    Case("import-above", "an import in a cell above everything", _imports),
    Case("essay-pieces", "a written answer in four parts", _essay_pieces, BEST, ("Second part.", "Third part.", "a part of the answer q4_why")),  # noqa: E501
    Case("essay-elsewhere", "a written answer typed anew in another place", _essay_elsewhere, BEST, (ESSAY, "this may be the answer q4_why"), ("YOUR ANSWER HERE",)),  # noqa: E501
    Case("essay-below", "a written answer in a cell below its own", _essay_below, BEST, (ESSAY, "this may be the answer q4_why"), ("YOUR ANSWER HERE",)),  # noqa: E501
    Case("displays", "an answer that displays in every way", _answer("q2_norm", DISPLAYS), BEST, (), ("Bad file descriptor",)),  # noqa: E501
    Case("timed", "%%time on top of an answer", _answer("q2_norm", f"%%time\n{UNIT}")),
    Case("shadowed", "own variables with the names of what is built in", _answer("q2_norm", UNIT, SHADOWS)),
    Case("shadowed-by-torch", "from torch import *", _answer("q2_norm", UNIT, "from torch import *")),
    Case("shadowed-in-answer", "an answer that calls what is shadowed", _answer("q2_norm", OWN_SUM, "sum = 0"), (2, 0, 2), ("not callable",)),  # noqa: E501
    Case("settings", "default type, gradients, printing and warnings changed", _answer("q2_norm", DEPENDS, SETTINGS)),
    Case("gpu", "a GPU written into an answer", _answer("q2_norm", GPU), (2, 0, 2), ON_CPU, ("NVIDIA",)),
]  # fmt: skip
