"""Accidents of honest students. Each costs at most the question that it happens in, and is explained in a line."""

from __future__ import annotations

import json

from exercise import Case, Handed

BEST = (2, 2, 2)
NOISE = (
    "import sys, warnings\nwarnings.warn('deprecated')\nprint('careful', file=sys.stderr)\n"
    "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass"
)
WORKERS = (
    "import threading, time\nthreading.Thread(target=lambda: time.sleep(600), daemon=True).start()\n"
    "from torch.utils.data import DataLoader\nloader = iter(DataLoader(list(range(8)), num_workers=2))\nnext(loader)\n"
    "torch.set_num_threads(4)\n(torch.rand(300, 300) @ torch.rand(300, 300)).sum()"
)


def _own(*sources: str):
    def make(handed: Handed) -> None:
        handed.before("q2_norm", *sources)
        handed.write()

    return make


def _answer(name: str, source: str):
    def make(handed: Handed) -> None:
        handed.answer(name, source)
        handed.write()

    return make


def _noise(handed: Handed) -> None:
    handed.answer("q1_double", f"{NOISE}\ndef double(x):\n    warnings.warn('in the answer')\n    return 2 * x")
    handed.write()


def _twice(handed: Handed) -> None:
    cells = handed.notebook["cells"]
    copied = json.loads(json.dumps(handed.cell("q1_double"))) | {"source": "def double(x):\n    return 2 * x  # again"}
    cells.insert(cells.index(handed.cell("q1_double")) + 1, copied)
    handed.write()


def _deleted(handed: Handed) -> None:
    handed.notebook["cells"].remove(handed.cell("q2_norm"))
    handed.write()


def _extra(handed: Handed) -> None:
    for name in [cell["id"] for cell in handed.notebook["cells"]]:
        handed.before(name, "scratch = 1", "scratch += 1\nscratch")
    handed.write()


def _missing(handed: Handed) -> None:
    (handed.folder / "readme.txt").write_text("I forgot the notebook")


def _text(change):
    def make(handed: Handed) -> None:
        (handed.folder / "exercise.ipynb").write_bytes(change(json.dumps(handed.notebook)))

    return make


def _surrogate(handed: Handed) -> None:
    handed.answer("q1_double", "def double(x):\n    return 2 * x  # \ud800")
    handed.write()


def _old_format(handed: Handed) -> None:
    cells = []
    for cell in handed.notebook["cells"]:
        old = {k: v for k, v in cell.items() if k not in ("source", "id")}
        old["input" if cell["cell_type"] == "code" else "source"] = cell["source"]
        cells.append(old)
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]}
    (handed.folder / "exercise.ipynb").write_text(json.dumps(old))


def _habits(handed: Handed) -> None:
    sources = [
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "%%time\nx = 1",
        "!pip install not-a-package-of-anybody",
        "input('your name: ')",
        "import asyncio\nawait asyncio.sleep(0)\n'awaited'",
        "import os\nos.chdir('/tmp')",
        "print('\x00\x1b[31m\ufeff\u202e')\nvalue = '\x00'",
        "raise KeyboardInterrupt",
        "quit()",
        "### BEGIN SOLUTION\n### BEGIN HIDDEN TESTS\n### END SOLUTION",
        "import sys\nsys.exit(1)",
    ]
    handed.before("q2_norm", *sources)
    handed.write()


def _folder(handed: Handed) -> None:
    # An archive unpacked into a folder of its own name.
    handed.folder.joinpath("exercise.ipynb").mkdir()
    handed.write("exercise.ipynb/exercise.ipynb")


def _nothing_done(handed: Handed) -> None:
    for name in ("q1_double", "q2_norm", "q3_both"):
        lines = handed.cell(name)["source"].split("\n")
        handed.answer(name, f"{lines[0]}\n    raise NotImplementedError()")
    handed.write()


def _latin(handed: Handed) -> None:
    handed.answer("q4_why", "Why? Das wei\u00df ich.")
    text = json.dumps(handed.notebook, ensure_ascii=False)
    (handed.folder / "exercise.ipynb").write_bytes(text.encode("latin-1"))


WORKERS_IN_ANSWER = (
    "from torch.utils.data import DataLoader\ndef unit(x):\n"
    "    rows = torch.cat([rows for rows in DataLoader(x[:, None], batch_size=2, num_workers=2)]).flatten()\n"
    "    return rows / rows.norm()"
)

CASES = [
    Case("noise", "warnings and progress bars on stderr", _noise),
    Case("twice", "an answer cell copied twice", _twice, BEST, ("more than once",)),
    Case("deleted", "an answer cell deleted", _deleted, (2, 0, 2), ("q2_norm is missing",)),
    Case("extra", "extra cells everywhere", _extra),
    Case("missing", "the notebook is missing", _missing, (0, 0, 0), ("was not handed in",)),
    Case("renamed", "the notebook has another name", lambda h: h.write("exercise (1).ipynb"), BEST, ("another name",)),
    Case("no-json", "the notebook is no JSON", _text(lambda text: text[: len(text) // 2].encode()), (0, 0, 0), ("be read as a notebook",)),  # noqa: E501
    Case("surrogate", "a lone surrogate in a string", _surrogate),
    Case("format-3", "saved in nbformat 3", _old_format),
    Case("windows", "Windows line ends and UTF-16", _text(lambda text: text.replace("\\n", "\\r\\n").encode("utf-16"))),
    Case("memory-lost", "the kernel runs out of memory", _answer("q2_norm", "kept = b'x' * (8 << 30)\nimport time\ntime.sleep(60)"), (2, 0, 2), ("this cell was stopped",)),  # noqa: E501
    Case("loop", "an endless loop in question 2", _answer("q2_norm", "while True:\n    pass"), (2, 0, 2), ("computed for more than",)),  # noqa: E501
    Case("chatty", "8 MB of output", _own("for _ in range(8_000):\n    print('x' * 1_000)"), BEST, ("only the first",)),
    Case("workers", "threads and DataLoader workers left running before a test", _own(WORKERS)),
    Case("package", "a package that isn't there", _answer("q1_double", "import not_installed\ndef double(x):\n    return 2 * x"), (0, 2, 2), ("not_installed",)),  # noqa: E501
    Case("habits", "magics, pip, input, await, chdir, quit and odd characters in own cells", _habits),
    Case("folder", "a folder in place of the notebook", _folder, BEST, ("another folder",)),
    Case("nothing-done", "nothing is done yet", _nothing_done, (0, 0, 0), ("not finished",)),
    Case("latin", "saved in Latin-1", _latin, BEST, ("latin-1",)),
    Case("syntax", "a syntax error", _answer("q1_double", "def double(x)\n    return 2 * x"), (0, 2, 2), ("SyntaxError",)),  # noqa: E501
    Case("answer-workers", "DataLoader workers inside an answer", _answer("q2_norm", WORKERS_IN_ANSWER)),
]  # fmt: skip
