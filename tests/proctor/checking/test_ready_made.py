"""What an answer may not use is found in its text, by whatever name; what it only mentions is no use."""

import pytest

from proctor.checking.ready_made import refused_names, without_ready_made
from proctor.checking.verdict import Verdict

TEST = """from dl1 import check_true, probe, without_ready_made
@probe
def f(x):
    with without_ready_made("torch.nn.functional.rms_norm", "torch.nn.RMSNorm"):
        with without_ready_made("torch_geometric.nn.*", "torch.Tensor.softmax"):
            return norm(x)
"""
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nimport sys"


def cell(source, grade_id=None, role=None, added=False):
    flags = {"solution": role == "solution", "grade": role == "test", "locked": role in ("test", "given")}
    metadata = {"nbgrader": {"grade_id": grade_id, **flags}} if grade_id else {}
    name = grade_id or ("added-1" if added else "shown")
    return {"cell_type": "code", "id": name, "metadata": metadata, "source": source}


def looked_at(answer, added="", other=""):
    notebook = {
        "cells": [
            cell(HEAD),
            cell("F.rms_norm\nclass RMSNorm(nn.Module):\n    pass", "given", "given"),
            cell(other or "x = 1", "q1_other", "solution"),
            cell("check_true(True)", "q1_values", "test"),
            cell(added, added=True),
            cell(answer, "q2_norm", "solution"),
            cell("shown = F.rms_norm"),
            cell(TEST, "q2_values", "test"),
            cell(TEST, "q2_more", "test"),
        ]
    }
    names = ("q1_values", "q2_values", "q2_more")
    found = without_ready_made(notebook, {name: Verdict(name, True, "", "", False, "", "") for name in names})
    assert found["q1_values"].passed
    assert found["q2_values"].passed == found["q2_more"].passed
    return found["q2_values"]


USED = {
    "called": "def norm(x):\n    return F.rms_norm(x, (4,))",
    "from torch itself": "def norm(x):\n    return torch.rms_norm(x, (4,))",
    "the class": "class Norm(nn.RMSNorm):\n    pass",
    "imported under another name": "from torch.nn.functional import rms_norm as mine\ndef norm(x):\n    return mine(x)",
    "imported inside": "def norm(x):\n    import torch.nn.functional as G\n    return G.rms_norm(x)",
    "of a package": "def norm(x):\n    from torch_geometric.nn import SimpleConv\n    return SimpleConv()(x)",
    "of a package by its path": "import torch_geometric.nn\nnorm = torch_geometric.nn.GCNConv(1, 2)",
    "a module by assignment": "G = F\nH = G\ndef norm(x):\n    return H.rms_norm(x)",
    "handed on": "norm = F.rms_norm",
    "by getattr": "def norm(x):\n    return getattr(F, 'rms_norm')(x)",
    "by import_module": "import importlib\ndef norm(x):\n    return importlib.import_module('torch').rms_norm(x)",
    "by sys.modules": "def norm(x):\n    return sys.modules['torch'].nn.functional.rms_norm(x)",
    "by a dict": "def norm(x):\n    return vars(F)['rms_norm'](x)",
    "by its __dict__": "def norm(x):\n    return F.__dict__['rms_norm'](x)",
    "by __import__": "def norm(x):\n    return __import__('torch').rms_norm(x)",
    "in a text that is run": "exec('def norm(x): return F.rms_norm(x)')",
    "a tensor's method": "def norm(x):\n    return x.softmax(-1)",
}
NOT_USED = {
    "mentioned": 'def norm(x):\n    """Like F.rms_norm and nn.RMSNorm."""\n    # F.rms_norm(x)\n    return x',
    "an own class": "class RMSNorm(nn.Module):\n    def forward(self, x):\n        return x\nnorm = RMSNorm()",
    "an own function": "def rms_norm(x):\n    return x\ndef norm(x):\n    return rms_norm(x)",
    "an own attribute": "class A:\n    def f(self, x):\n        self.rms_norm = x\n        return self.rms_norm",
    "something else": "def norm(x):\n    return F.layer_norm(x, (4,)) + nn.LayerNorm(4)(x)",
    "imported and left alone": "from torch.nn.functional import rms_norm\ndef norm(x):\n    return x",
    "a text": "def norm(x):\n    return {'rms_norm': x}['rms_norm']",
    "no Python": "def norm(x:\n    F.rms_norm",
}


@pytest.mark.parametrize("case", USED)
def test_a_use_loses_the_test_cells_of_the_answer(case):
    verdict = looked_at(USED[case])
    assert (verdict.passed, verdict.kind, verdict.hidden) == (False, "failed", False)
    assert "is what this question asks you to write: take it out of line" in verdict.student_text
    assert "of q2_norm" in verdict.student_text
    assert len(verdict.notes) == 1


@pytest.mark.parametrize("case", NOT_USED)
def test_what_is_no_use_changes_nothing(case):
    assert looked_at(NOT_USED[case]).passed


def test_what_the_answer_reads_of_other_cells_counts_and_the_rest_of_them_does_not():
    answer = "def norm(x):\n    return helper(x)"
    own = "def helper(x):\n    return x\nprint(F.rms_norm(torch.ones(4), (4,)))"
    assert looked_at(answer, added=own).passed
    named_alike = "def rms_norm(x):\n    return x\ndef norm(x):\n    return rms_norm(x)"
    assert looked_at(named_alike, added="from torch.nn.functional import rms_norm").passed
    assert not looked_at(answer, added="mine = F.rms_norm\ndef helper(x):\n    return mine(x)").passed
    assert not looked_at(answer, other="def helper(x):\n    return F.rms_norm(x)").passed


def test_the_names_are_read_in_the_test_cell_and_a_lost_cell_stays_lost():
    assert refused_names(TEST) == [
        *("torch.nn.functional.rms_norm", "torch.nn.RMSNorm", "torch_geometric.nn.*", "torch.Tensor.softmax")
    ]
    assert refused_names("check_true(True)") == []
    notebook = {
        "cells": [cell("norm = F.rms_norm\nimport torch.nn.functional as F", "q", "solution"), cell(TEST, "t", "test")]
    }
    before = Verdict("t", False, "wrong value", "mean", True, "A hidden check failed", "all")
    after = without_ready_made(notebook, {"t": before})["t"]
    assert (after.kind, after.student_text) == (before.kind, before.student_text)
    assert after.notes == ["t: the answer uses torch.nn.functional.rms_norm"]


def answered(*cells_above):
    notebook = {"cells": [cell(HEAD), *cells_above, cell(TEST, "q2_values", "test")]}
    return without_ready_made(notebook, {"q2_values": Verdict("q2_values", True, "", "", False, "", "")})["q2_values"]


def test_every_part_of_a_split_answer_counts():
    helper = cell("def unrelated(x):\n    return F.rms_norm(x, (4,))", added=True)
    answer = cell("def norm(x):\n    return x", "q2_norm", "solution")
    assert answered(answer, helper).passed
    part = {**helper, "metadata": {"proctor_parts": ["q2_norm"]}}
    assert not answered(answer, part).passed
    # Also a part that was moved above another test.
    assert not answered(part, cell("check_true(True)", "q1_values", "test"), answer).passed


REDEFINED = {
    "a function": ("def norm(x):\n    return x", "def norm(x):\n    return F.rms_norm(x, (4,))"),
    "a name": ("def norm(x):\n    return x", "norm = F.rms_norm"),
    "a method": (
        "class Norm(nn.Module):\n    def forward(self, x):\n        return x",
        "@method_of(Norm)\ndef forward(self, x):\n    return F.rms_norm(x, (4,))",
    ),
    "a method by assignment": (
        "@method_of(Norm)\ndef forward(self, x):\n    return x",
        "Norm.forward = lambda self, x: F.rms_norm(x, (4,))",
    ),
}


@pytest.mark.parametrize("case", REDEFINED)
def test_what_an_own_cell_defines_anew_in_front_of_the_test_is_the_answer(case):
    first, second = REDEFINED[case]
    answer, own = cell(first, "q2_norm", "solution"), cell(second, added=True)
    assert not answered(answer, own).passed
    assert answered(answer, cell(second.replace("orm", "orm2").replace("rms_norm2", "rms_norm"), added=True)).passed
