import __future__

import itertools
import json
import linecache
import subprocess
import sys
import types
from pathlib import Path

import pytest

from dl1 import export_module
from dl1.errors import CourseError

ROOT = Path(__file__).resolve().parents[3]
_numbers = itertools.count()


class Notebook:
    """Runs cells as a kernel does: in one module, each under a file name of its own that linecache knows."""

    def __init__(self, monkeypatch, folder: Path) -> None:
        self.module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", self.module)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
        self.folder = folder

    def run(self, source: str, flags: int = 0) -> None:
        name = f"<cell {next(_numbers)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", flags=flags), vars(self.module))

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
        (["import torch\nf = torch.nn.Linear(1, 1)"], "f", r"`f` \(Linear\) can't be written"),
        (["def g():\n    return 1", "f, _ = g, 0", "del g"], "f", "no known cell has a `def f`"),
        (["f = [1, object()]"], "f", r"`f` \(list\) can't be written"),
        (["import torch\nf = torch.zeros(2, 3).shape"], "f", r"`f` \(Size\) can't be written"),
        (["def f():\n    return 1", "import functools\nf = functools.lru_cache(f)"], "f", "makes `f` what it is"),
        (["class g:\n    a = 1\nf = g", "class g:\n    a = 2"], "f", "`f` is an older `g`: run the cell"),
        (["class f:\n    pass\ndef g(self):\n    return 1", "f.p = property(g)"], "f", "`f.p` can't be written"),
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


def test_a_shared_cell_can_attach_methods_of_one_name_to_two_classes(notebook):
    notebook.run("from dl1 import method_of\nclass A:\n    pass\nclass B:\n    pass")
    notebook.run("@method_of(A)\ndef forward(self):\n    return 'A'\n@method_of(B)\ndef forward(self):\n    return 'B'")
    made = notebook.export("A", "B")
    assert (made.A().forward(), made.B().forward()) == ("A", "B")


def test_methods_given_by_assignment_come_along(notebook):
    notebook.run(
        "class A:\n    def forward(self):\n        raise NotImplementedError()\n    def half(self):\n        return 2"
    )
    notebook.run("def my_forward(self):\n    return 'mine'")
    notebook.run("A.forward = my_forward\nA.again = my_forward")
    made = notebook.export("A")
    assert (made.A().forward(), made.A().again(), made.A().half()) == ("mine", "mine", 2)


def test_a_class_whose_methods_were_all_attached(notebook):
    notebook.run("from dl1 import method_of\nclass A:\n    kind = 'old'")
    notebook.run("class A:\n    kind = 'new'\n    def f(self):\n        raise NotImplementedError()")
    notebook.run("@method_of(A)\ndef f(self):\n    return self.kind")
    assert notebook.export("A").A().f() == "new"


def test_definitions_stand_before_what_needs_them_to_run(notebook):
    # Each of the two knows the other: one when it is defined, the other only when it is called.
    notebook.run("class Base:\n    def child(self):\n        return Child()")
    notebook.run("class Child(Base):\n    names = [upper(x) for x in WORDS] if 'upper' in globals() else []")
    for order in (["Base", "Child"], ["Child", "Base"]):
        assert type(notebook.export(*order).Base().child()).__name__ == "Child"
    # A decorator runs its own helpers while the module is imported.
    notebook.run("REGISTRY = {}\ndef key_of(f):\n    return f.__name__")
    notebook.run("def register(f):\n    REGISTRY[key_of(f)] = 1\n    return f")
    notebook.run("@register\ndef answer():\n    return REGISTRY")
    assert notebook.export("answer").answer() == {"answer": 1}


@pytest.mark.parametrize("statement", ["import os.path as p", "from os import path as p"])
def test_imports_are_written_as_in_the_notebook(notebook, statement):
    notebook.run(statement)
    notebook.run("def f():\n    return p.sep")
    assert notebook.export("f").f() == "/"
    assert statement in Path("made.py").read_text().splitlines()


def test_names_that_do_not_say_where_they_live(notebook):
    # Both are built-in functions; one names a private class as its home, the other a closure.
    notebook.run("from torch import arange as numbers\nfrom torch.nn.functional import max_pool1d")
    notebook.run("def f():\n    return max_pool1d(numbers(4.0)[None], 2).tolist()")
    assert notebook.export("f").f() == [[1.0, 3.0]]


def test_submodules_are_imported_where_they_are_used(notebook):
    notebook.run("import xml.dom.minidom, concurrent.futures\nimport email.mime.text")
    notebook.run(
        "def f():\n    return xml.dom.minidom.parseString('<a/>').documentElement.tagName\ndef g():\n    return email"
    )
    notebook.export("f", "g")
    imports = [line for line in Path("made.py").read_text().splitlines() if line.startswith("import")]
    assert imports == ["import email", "import xml", "import xml.dom.minidom"]


def test_the_modules_own_names_are_left_alone(notebook):
    notebook.run("def f():\n    return __name__, __doc__ is None, __builtins__ is None")
    assert notebook.export("f").f()[0] == "made"
    assert "__name__ =" not in Path("made.py").read_text()


@pytest.mark.parametrize(
    "value",
    ["None", "True", "-3", "0.1", "1e300", "float('inf')", "float('-inf')", "'a\\n\"b'", "[1, (2.5, {'k': {3}})]"],
)
def test_constants_keep_their_value(notebook, value):
    notebook.run(f"VALUE = {value}")
    made, original = notebook.export("VALUE").VALUE, vars(notebook.module)["VALUE"]
    assert type(made) is type(original)
    assert made == original


def test_lambdas_and_what_calls_make(notebook):
    notebook.run("from collections import namedtuple\nimport functools\nTWO = 2")
    notebook.run("double = lambda x: TWO * x\nPair = namedtuple('Pair', 'a b')")
    notebook.run("def scaler(n):\n    def scaled(x):\n        return n * x\n    return scaled\ntriple = scaler(3)")
    notebook.run(
        "def loud(f):\n    def inner():\n        return f() + '!'\n    return inner\n@loud\ndef hi():\n    return 'hi'"
    )
    made = notebook.export("double", "Pair", "triple", "hi")
    assert (made.double(4), made.Pair(1, 2).b, made.triple(5), made.hi()) == (8, 2, 15, "hi!")


def test_a_broken_cell_does_not_stop_the_export(notebook):
    notebook.run("from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int = 1")
    with pytest.raises(SyntaxError):
        notebook.run("class C:\n    x: int = (2")
    assert notebook.export("C").C().x == 1


def test_annotations_that_are_never_looked_up(notebook):
    # In a notebook the first cell's line holds for all that follow.
    notebook.run("from __future__ import annotations")
    notebook.run(
        "def f(x: Undefined) -> Later:\n    return x\nclass Later:\n    pass", __future__.annotations.compiler_flag
    )
    assert notebook.export("f").f(3) == 3


@pytest.mark.parametrize("name", ["gpt", "gpt.txt", "my gpt.py", "../gpt.py", "a/b.py", ".py", "2a.py", "gpt.py.py"])
def test_names_that_cannot_be_imported_are_refused(notebook, name):
    notebook.run("x = 1")
    with pytest.raises(CourseError, match="can't be imported"):
        export_module(name, ["x"], vars(notebook.module))
    assert list(notebook.folder.iterdir()) == []


def test_the_file_has_the_permissions_of_any_other(notebook):
    notebook.run("x = 1")
    notebook.export("x")
    Path("other").touch()
    assert Path("made.py").stat().st_mode == Path("other").stat().st_mode


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(notebook):
    notebook.run("x = 1")
    Path("made.py").mkdir()
    with pytest.raises(OSError, match=r"made\.py"):
        notebook.export("x")
    assert [path.name for path in notebook.folder.iterdir()] == ["made.py"]


def test_an_authors_export_goes_to_scratch(notebook, monkeypatch):
    source = notebook.folder / "source" / "assignment2"
    source.mkdir(parents=True)
    (notebook.folder / "nbgrader_config.py").touch()
    monkeypatch.chdir(source)
    notebook.run("x = 1")
    path = export_module("made.py", ["x"], vars(notebook.module))
    assert path == notebook.folder / "scratch" / "assignment2" / "made.py"
    assert path.is_file()
    assert list(source.iterdir()) == []


# Cells of a session in IPython, what to export, and what the module has to answer in a process without the kit.
SESSIONS = {
    "methods": (
        [
            "import torch\nfrom dl1 import method_of",
            "class Layer(torch.nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        self.n = n",
            "def helper(x):\n    return x + 1",
            "@method_of(Layer)\n@torch.no_grad()\ndef forward(self, x):\n    return helper(x) * self.n",
        ],
        ["Layer"],
        ("made.Layer(3)(2)", 9),
    ),
    "an older cell runs again": (
        ["class C:\n    x = 1", "class C:\n    x = 2", "class C:\n    x = 1"],
        ["C"],
        ("made.C.x", 1),
    ),
    "an older cell of a function runs again": (
        ["def f():\n    return 1", "def f():\n    return 2", "def f():\n    return 1"],
        ["f"],
        ("made.f()", 1),
    ),
    "a cell that IPython changes": (
        ["%precision 3\nclass C:\n    x = 1", "name = !echo hi", "%precision 2\nclass C:\n    x = 2"],
        ["C"],
        ("made.C.x", 2),
    ),
    "open": (
        ["def f():\n    with open('made.py') as file:\n        return len(file.readline()) > 9"],
        ["f"],
        ("made.f()", True),
    ),
    "display": (["def f():\n    display(1)\n    return callable(display)"], ["f"], ("made.f()", True)),
    "a syntax error before": (
        ["class C:\n    x = 1", "class C:\n    x = = 2"],
        ["C"],
        ("made.C.x", 1),
    ),
}


@pytest.fixture(scope="module", params=["of a terminal", "of a kernel"])
def sessions(request, tmp_path_factory):
    """What each module that was exported in a real session answers, in a fresh process that knows nothing else."""
    folder = tmp_path_factory.mktemp("sessions")
    task = {key: (cells, names) for key, (cells, names, _) in SESSIONS.items()}
    script = f"""
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
from IPython.core.interactiveshell import InteractiveShell
from dl1 import export_module
shell = InteractiveShell.instance()
if {request.param == "of a kernel"}:
    # Cells with the same text have the same file there.
    from ipykernel.compiler import XCachingCompiler
    shell.compile = XCachingCompiler()
shell.user_ns["export_module"] = export_module
for key, (cells, names) in json.load(sys.stdin).items():
    os.makedirs(key)
    os.chdir(key)
    for cell in cells:
        shell.run_cell(cell, store_history=True)
    shell.run_cell(f"export_module('made.py', {{names!r}}, globals())", store_history=True)
    os.chdir("..")
"""
    arguments = {"cwd": folder, "capture_output": True, "text": True}
    run = subprocess.run([sys.executable, "-c", script], input=json.dumps(task), check=False, **arguments)
    script = """
import importlib, json, os, sys
answers = {}
for key, expression in json.load(sys.stdin).items():
    sys.path[0:0] = [key]
    sys.modules.pop("made", None)
    folder = os.getcwd()
    os.chdir(key)
    try:
        importlib.invalidate_caches()
        answers[key] = eval(expression, {"made": importlib.import_module("made")})
    except Exception as error:
        answers[key] = repr(error)
    os.chdir(folder)
    del sys.path[0]
assert not any(name.partition(".")[0] == "dl1" for name in sys.modules)
print(json.dumps(answers))
"""
    task = {str(folder / key): expression for key, (_, _, (expression, _)) in SESSIONS.items()}
    found = subprocess.run([sys.executable, "-I", "-c", script], input=json.dumps(task), check=True, **arguments)
    answers = json.loads(found.stdout.splitlines()[-1])
    return {Path(key).name: answer for key, answer in answers.items()}, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("key", SESSIONS)
def test_in_ipython_and_without_the_kit(sessions, key):
    answers, said = sessions
    assert answers[key] == SESSIONS[key][2][1], said
