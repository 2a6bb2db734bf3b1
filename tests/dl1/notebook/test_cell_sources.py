"""What IPython hides the source of is exported all the same, or the message says what to take out of the cell."""

import json
import subprocess
import sys

import pytest

# For each case, in a fork: runs cells in IPython as a kernel does, exports after them, and tells what the module then
# gives, or what was said.
PROGRAM = """
import json, os, sys, types
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
from dl1 import export_module, method_of
from dl1.errors import CourseError
from traitlets.config import Config
import torch

def told(cells, expression):
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(user_module=module, user_ns=vars(module), config=config)
    for cell in cells:
        shell.run_cell(cell, store_history=True)
    try:
        path = export_module("made.py", ["Norm"], vars(module))
        made = types.ModuleType("made")
        sys.modules["made"] = made
        exec(compile(path.read_text(), str(path), "exec"), vars(made))
        return eval(expression, vars(made))
    except CourseError as error:
        return str(error)

for name, (cells, expression) in json.load(sys.stdin).items():
    if os.fork() == 0:
        folder = Path(name)
        folder.mkdir()
        os.chdir(folder)
        Path("told.json").write_text(json.dumps(told(cells, expression)))
        os._exit(0)
    os.wait()
"""
HEAD = "import torch\nimport torch.nn as nn\nfrom dl1 import method_of"
NORM = (
    "class Norm(nn.Module):\n    def forward(self, x):\n        return scaled(x)\n"
    "    @staticmethod\n    def one():\n        return 1"
)
TWICE = "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(x):\n        return 2 * f(x)\n    return g"
METHOD = "@method_of(Norm)\ndef twice(self, x):\n    return 2 * self(x)"
SCALED = "def scaled(x):\n    return x * FACTOR"
WORKS = {
    "time": ([HEAD, f"%%time\nFACTOR = 3\n{SCALED}", f"%%time\n{NORM}"], "Norm()(2)", 6),
    "time with a magic": ([HEAD, f"%%time\nx = !echo a\nFACTOR = 3\n{SCALED}\n{NORM}"], "Norm()(2)", 6),
    "prun": ([HEAD, f"%%prun -q\nFACTOR = 3\n{SCALED}\n{NORM}"], "Norm()(2)", 6),
    "capture": ([HEAD, f"%%capture\nFACTOR = 3\n{SCALED}\n{NORM}"], "Norm()(2)", 6),
    "exec": ([HEAD, f"exec({f'FACTOR = 3{chr(10)}{SCALED}'!r})\n{NORM}"], "Norm()(2)", 6),
    "line": ([HEAD, f"FACTOR = 3\n{NORM}", "%time scaled = lambda x: 4 * x"], "Norm()(2)", 8),
    "imports under it": (
        ["%%time\nimport torch\nimport torch.nn as nn", f"FACTOR = 3\n{SCALED}\n{NORM}"],
        "Norm()(2)",
        6,
    ),
    "methods": (
        [
            HEAD,
            f"%%time\nFACTOR = 3\n{SCALED}\n{NORM}",
            f"%%time\n{METHOD}",
        ],
        "Norm().twice(2)",
        12,
    ),
    "decorated": (
        [
            HEAD,
            f"%%time\n{TWICE}",
            f"%%time\nFACTOR = 3\n@twice\n{SCALED}\n{NORM}",
        ],
        "Norm()(2)",
        12,
    ),
    "without methods": ([HEAD, "%%time\nclass Norm(nn.Module):\n    size = 4"], "Norm.size", 4),
    "once more": ([HEAD, f"%%time\nFACTOR = 3\n{SCALED}", f"%%time\n{SCALED} + 1", NORM], "Norm()(2)", 7),
    "at last without": ([HEAD, f"%%time\nFACTOR = 3\n{SCALED}", f"{SCALED} + 5", NORM], "Norm()(2)", 11),
}
SAID = {
    "timeit": ([HEAD, f"%%timeit -n1 -r1\n{NORM}"], "take `%%timeit` out of its cell"),
    "written": ([HEAD, f"%%writefile norm.py\n{NORM}"], "take `%%writefile` out of its cell"),
    "not run": ([HEAD], "run the cells above this one first"),
    "computed": (
        [HEAD, f"text = {NORM!r}\nexec(text)"],
        "take the magic, such as `%%time`, or the `exec` out of",
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    cases = {name: case[:2] for name, case in WORKS.items()} | {name: (case[0], "0") for name, case in SAID.items()}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {name: json.loads((folder / name / "told.json").read_text()) for name in cases}


@pytest.mark.parametrize("case", WORKS)
def test_what_a_magic_has_run_is_exported(told, case):
    assert told[case] == WORKS[case][2]


@pytest.mark.parametrize("case", SAID)
def test_where_it_can_not_be_the_message_says_what_to_do(told, case):
    assert SAID[case][1] in told[case]
