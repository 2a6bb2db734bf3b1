"""Exports of two notebooks in one module."""

import sys

import pytest
import torch

from dl1 import export_module, method_of
from dl1.notebook.kept_definitions import merge

OLD = '''"""m.py: written by the notebook's export cell."""


import torch
import math


def method_of(cls):
    return lambda f: setattr(cls, f.__name__, f)


class A:
    pass


@method_of(A)
def forward(self):
    return math.pi


class B:
    pass


@method_of(B)
def forward(self):
    return helper()


def helper():
    return "old"
'''
NEW = '''"""m.py: new."""


import torch


def method_of(cls):
    return lambda f: setattr(cls, f.__name__, f)


class B:
    pass


@method_of(B)
def forward(self):
    return "new"
'''


def run(text: str) -> dict:
    namespace: dict = {}
    exec(compile(text, "m.py", "exec"), namespace)
    return namespace


def test_new_definitions_win_and_others_stay():
    module = run(merge(OLD, NEW))
    assert module["B"]().forward() == "new"
    assert module["A"]().forward() == pytest.approx(3.14159, abs=1e-5)
    assert module["helper"]() == "old"


def test_methods_go_with_their_class():
    assert merge(OLD, NEW).count("@method_of(B)") == 1


def test_title_is_the_new_one_and_imports_stand_once():
    text = merge(OLD, NEW)
    assert text.startswith('"""m.py: new."""')
    assert text.count("import torch") == text.count("import math") == 1


def test_merging_twice_changes_nothing():
    once = merge(OLD, NEW)
    assert merge(once, NEW) == once


def test_assigned_methods_belong_to_their_class():
    text = merge("class A: pass\n\n\nA.f = len\nC = 3\n", "class A:\n    f = max\n")
    assert run(text)["A"].f is max
    assert run(text)["C"] == 3


def test_future_imports_stay_first():
    text = merge("from __future__ import annotations\n\n\ndef f(x: Unknown): return x\n", '"""t"""\n\n\nimport math\n')
    assert run(text)["f"](2) == 2


def notebook_globals(source: str, name: str) -> dict:
    import linecache

    namespace = {"__name__": "__main__", "method_of": method_of, "torch": torch}
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), namespace)
    return namespace


def test_export_keeps_what_another_notebook_wrote(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    export_module("both.py", ["one"], notebook_globals("def one():\n    return 1\n", "<cell one>"), keep=True)
    export_module("both.py", ["two"], notebook_globals("def two():\n    return 2\n", "<cell two>"), keep=True)
    monkeypatch.syspath_prepend(tmp_path)
    import both

    assert (both.one(), both.two()) == (1, 2)
    del sys.modules["both"]


@pytest.mark.parametrize("broken", ["def one(:", "raise ValueError", "\0", b"\xff".decode("latin-1") + " = ="])
def test_a_broken_older_export_is_replaced_and_told(tmp_path, monkeypatch, capsys, broken):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.py").write_text(broken, encoding="utf-8")
    export_module("both.py", ["two"], notebook_globals("def two():\n    return 2\n", "<cell 2>"), keep=True)
    assert "is replaced" in capsys.readouterr().out
    assert run((tmp_path / "both.py").read_text())["two"]() == 2


def test_without_keep_the_older_export_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export_module("both.py", ["one"], notebook_globals("def one():\n    return 1\n", "<cell one>"))
    export_module("both.py", ["two"], notebook_globals("def two():\n    return 2\n", "<cell two>"))
    assert "def one" not in (tmp_path / "both.py").read_text()
