import itertools
import linecache
import subprocess
import sys
import types
from pathlib import Path

import pytest

from dl1 import export_module
from dl1.errors import CourseError

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count()


class Notebook:
    """Runs cells as a kernel does: in one module, each under a file name of its own that linecache knows."""

    def __init__(self, monkeypatch, folder: Path) -> None:
        self.module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", self.module)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
        self.folder = folder

    def run(self, source: str) -> None:
        name = f"<cell {next(_numbers)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), vars(self.module))

    def export(self, *names: str) -> types.ModuleType:
        path = export_module("made.py", names, vars(self.module))
        assert path == self.folder / "made.py"
        made = types.ModuleType("made")
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(made))
        return made


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    return Notebook(monkeypatch, tmp_path)


def test_functions_bring_along_what_they_use(notebook):
    notebook.run("import math\nimport os.path as paths\nfrom collections import OrderedDict as Ordered")
    notebook.run("FACTOR = 3\nTABLE = {'a': [1, None, 2.5], 'b': ('x', True)}")
    notebook.run("def helper(x):\n    return FACTOR * math.sqrt(x)")
    notebook.run("def unused():\n    return 1")
    notebook.run(
        "def main(x):\n    def inner():\n        return helper(x)\n"
        "    return inner(), TABLE['a'][2], Ordered(a=1), paths.sep"
    )
    made = notebook.export("main")
    assert made.main(4.0) == (6.0, 2.5, {"a": 1}, "/")
    assert not hasattr(made, "unused")


def test_names_in_defaults_decorators_bases_and_annotations(notebook):
    notebook.run("from functools import wraps\nfrom dataclasses import dataclass")
    notebook.run("SIZE = 5\nclass Base:\n    kind = 'base'")
    notebook.run("def twice(f):\n    @wraps(f)\n    def g(*a):\n        return 2 * f(*a)\n    return g")
    notebook.run("@twice\ndef f(x=SIZE) -> Base:\n    return x")
    notebook.run("@dataclass\nclass Config(Base):\n    size: int = SIZE\n    name: str = 'x'")
    made = notebook.export("f", "Config")
    assert made.f() == 10
    assert (made.Config(2).size, made.Config.kind) == (2, "base")


def test_classes_with_all_kinds_of_methods_and_attached_ones(notebook):
    notebook.run("from dl1 import method_of\nimport functools")
    notebook.run(
        "class A:\n    def __init__(self):\n        self.x = 1\n    def f(self):\n        raise NotImplementedError()\n"
        "    @property\n    def p(self):\n        return self.x\n    @staticmethod\n    def s():\n        return 2\n"
        "    @classmethod\n    def c(cls):\n        return cls().x"
    )
    notebook.run("def helper(x):\n    return 10 * x")
    notebook.run("@method_of(A)\n@functools.lru_cache(maxsize=None)\ndef f(self):\n    return helper(self.x)")
    made = notebook.export("A")
    assert (made.A().f(), made.A().p, made.A.s(), made.A.c()) == (10, 1, 2, 1)
    assert "dl1" not in Path("made.py").read_text()


def test_two_classes_with_methods_of_one_name(notebook):
    notebook.run("from dl1 import method_of")
    notebook.run("class A:\n    def who(self):\n        return 'A'\nclass B:\n    def who(self):\n        return 'B'")
    notebook.run("@method_of(A)\ndef forward(self):\n    return self.who()")
    notebook.run("@method_of(B)\ndef forward(self):\n    return self.who() + '!'")
    made = notebook.export("A", "B")
    assert (made.A().forward(), made.B().forward()) == ("A", "B!")


def test_the_newest_definition_counts(notebook):
    first = "class A:\n    def f(self):\n        return 1"
    notebook.run(first)
    notebook.run("class A:\n    def f(self):\n        return 2")
    assert notebook.export("A").A().f() == 2
    notebook.run(first)
    assert notebook.export("A").A().f() == 1


def test_a_dataclass_without_methods_is_found_in_its_newest_cell(notebook):
    notebook.run("from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int = 1")
    notebook.run("@dataclass\nclass C:\n    x: int = 2")
    assert notebook.export("C").C().x == 2


def test_aliases(notebook):
    notebook.run("class RMSNorm:\n    def f(self):\n        return 1\nNorm = RMSNorm\ndef make():\n    return Norm()")
    made = notebook.export("make")
    assert type(made.make()).__name__ == "RMSNorm"


def test_stubs_are_exported_and_named(notebook, capsys):
    notebook.run("from dl1 import method_of")
    notebook.run("class A:\n    def f(self):\n        raise NotImplementedError()\n    def g(self):\n        return 1")
    notebook.run("def h():\n    raise NotImplementedError()")
    notebook.export("A", "h")
    assert capsys.readouterr().out.strip().endswith("not finished yet: A.f, h")
    notebook.run("@method_of(A)\ndef f(self):\n    return 3")
    notebook.export("A")
    assert "not finished" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "name", "words"),
    [
        (["x = 1"], "f", "there is no `f` to export"),
        (["import torch\nW = torch.ones(2)", "def f():\n    return W"], "f", r"`W` \(Tensor\) can't be written"),
        (["f = lambda x: x"], "f", "isn't known any more"),
    ],
)
def test_what_cannot_be_exported_says_why_and_leaves_the_old_file(notebook, cells, name, words):
    Path("made.py").write_text("old = 1\n")
    for cell in cells:
        notebook.run(cell)
    with pytest.raises(CourseError, match=words):
        notebook.export(name)
    assert Path("made.py").read_text() == "old = 1\n"
    assert [p.name for p in notebook.folder.iterdir()] == ["made.py"]


def test_a_module_that_would_not_import_is_not_written(notebook):
    notebook.run(
        "import os\nos.environ.setdefault('READ', '1')\ndef decorate(f):\n    return f\ndef g():\n    return 1"
    )
    notebook.run("@decorate\ndef f(x=missing_later if False else 1):\n    return x")
    vars(notebook.module)["decorate"] = "text"
    with pytest.raises(CourseError, match="was not written, because it would not import"):
        notebook.export("f")
    assert not Path("made.py").exists()


def test_in_ipython_and_without_the_kit(tmp_path):
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.chdir({str(tmp_path)!r})
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in [
    "import torch\\nfrom dl1 import export_module, method_of",
    "class Layer(torch.nn.Module):\\n    def __init__(self, n):\\n        super().__init__()\\n        self.n = n",
    "def helper(x):\\n    return x + 1",
    "@method_of(Layer)\\n@torch.no_grad()\\ndef forward(self, x):\\n    return helper(x) * self.n",
    "export_module('made.py', ['Layer'], globals())",
]:
    shell.run_cell(cell, store_history=True).raise_error()
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    use = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import made; print(made.Layer(3)(2), 'dl1' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-I", "-c", use], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["9", "False"]
