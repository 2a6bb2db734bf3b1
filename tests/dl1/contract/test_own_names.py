"""Checks use Python's own built-in names; the code under test uses the notebook's."""

import builtins

import pytest
import torch

from dl1 import probe as make_probe
from dl1.contract.own_names import own_names

SHADOWED = "sum = 0; max = 5; list = [1]; str = 'text'; len = None; print = 3; range = id = input = open = super = 7\n"
PROBE = """
@probe
def asked(n):
    return [str(sum(list(range(n)))), max(len("abc"), answer(n))]
"""
DOUBLE = """
class Base:
    def __init__(self, n):
        self.n = sum(range(n))

class Double(Base):
    def __init__(self, n):
        super().__init__(n)

    @staticmethod
    def longest(words):
        return max(map(len, words))

    @classmethod
    def named(cls):
        return str(cls.__name__)

    @property
    def size(self):
        return len(str(self.n))

def helper(n):
    return max(list(range(n)))

@probe(given={"Net": Double, "most": helper})
def asked(n):
    net = Net(n)
    return [net.n, net.longest(["a", "bcd"]), Net.named(), net.size, answer(n), str(most(n))]
"""


def in_notebook(source: str) -> dict:
    namespace = {"__name__": "__main__", "probe": make_probe}
    exec(source, namespace)
    return namespace


@pytest.mark.parametrize("shadowed", [SHADOWED, "from torch import *\n", ""])
def test_a_probe_uses_what_is_built_in(shadowed):
    namespace = in_notebook(f"{shadowed}def answer(n):\n    return 2 * n\n{PROBE}")
    assert namespace["asked"](4) == ["6", 8]


def test_the_answer_keeps_the_notebooks_names():
    namespace = in_notebook(f"{PROBE}\nmax = 5\ndef answer(n):\n    return max + n")
    assert namespace["asked"](4) == ["6", 9]
    namespace = in_notebook(f"{PROBE}\nsum = 5\ndef answer(n):\n    return sum([n])")
    with pytest.raises(TypeError, match="not callable"):
        namespace["asked"](4)


def test_doubles_use_what_is_built_in_and_are_as_before_afterwards():
    # Only the double itself is the check's: what it is derived from here stands for a class of the notebook.
    shadowed = "len = max = str = list = 5\n"
    namespace = in_notebook(f"{DOUBLE}\n{shadowed}def answer(n):\n    return len + n")
    double = dict(vars(namespace["Double"]))
    assert namespace["asked"](3) == [3, 3, "Double", 1, 8, "2"]
    assert dict(vars(namespace["Double"])) == double
    assert "Net" not in namespace
    assert "most" not in namespace


def test_names_of_the_notebook_are_there():
    names = own_names({"__name__": "__main__", "torch": torch, "sum": 3, "own": 4})
    assert names == {"__name__": "__main__", "torch": torch, "own": 4, "__builtins__": builtins}
