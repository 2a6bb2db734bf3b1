import sys
import types
import warnings

import pytest
import torch

from dl1 import probe as make_probe
from dl1.errors import CourseError
from dl1.probe import doubles_in_place
from dl1.protocol import ProtocolError, use_transport


def in_notebook(source: str, **names):
    """Executes text in a namespace of its own, as a notebook would, and returns that namespace."""
    namespace = {"__name__": "__main__", "probe": make_probe, "torch": torch, **names}
    exec(source, namespace)
    return namespace


def test_arguments_and_results_are_copies():
    x = torch.zeros(3)
    kept = []
    namespace = in_notebook(
        "@probe\ndef change(x, values):\n    x[0] = 1\n    values.append(2)\n    kept.append(x)\n    return x",
        kept=kept,
    )
    values = [1]
    result = namespace["change"](x, values)
    assert result.tolist() == [1, 0, 0]
    assert x.tolist() == [0, 0, 0]
    assert values == [1]
    result[1] = 5
    assert kept[0].tolist() == [1, 0, 0]


def test_results_lose_their_graph_and_gradients_can_be_taken_inside_even_under_no_grad():
    source = "@probe\ndef f(x):\n    x.requires_grad_()\n    y = (x * x).sum()\n    y.backward()\n    return y, x.grad"
    with torch.no_grad():
        y, gradient = in_notebook(source)["f"](torch.tensor([3.0], requires_grad=True))
    assert not y.requires_grad
    assert gradient.item() == 6


def test_what_may_not_cross_is_refused_both_ways():
    namespace = in_notebook("@probe\ndef f(x):\n    return object()")
    with pytest.raises(ProtocolError, match="object"):
        namespace["f"](1)
    with pytest.raises(ProtocolError, match="ndarray"):
        namespace["f"](torch.ones(2).numpy())


def test_closures_generators_and_coroutines_are_refused():
    outside = 1
    with pytest.raises(CourseError, match="outside"):
        make_probe(lambda: outside)
    with pytest.raises(CourseError, match="plain function"):
        in_notebook("@probe\ndef f():\n    yield 1")
    with pytest.raises(CourseError, match="plain function"):
        in_notebook("@probe\nasync def f():\n    return 1")


NOTEBOOK = """
def norm(x):
    return 2 * x

class Layer:
    scale = 3
    def apply(self, x):
        return self.scale * norm(x)

def ten(x):
    return 10.0

@probe
def plain(x):
    return Layer().apply(x)

@probe(given={"norm": ten})
def replaced(x):
    return Layer().apply(x)

@probe(given={"Layer.scale": 100, "Layer.new": ten})
def attributes(x):
    return [Layer().apply(x), Layer.new(x)]

@probe(given={"norm": ten})
def failing(x):
    raise ValueError("mine")

@probe(given={"absent": ten})
def absent_name(x):
    return absent(x)
"""


def test_doubles_act_while_the_body_runs_and_are_taken_back():
    namespace = in_notebook(NOTEBOOK)
    norm, layer = namespace["norm"], namespace["Layer"]
    assert namespace["replaced"](1.0) == 30.0
    assert namespace["attributes"](1.0) == [200.0, 10.0]
    assert namespace["absent_name"](1.0) == 10.0
    with pytest.raises(ValueError, match="mine"):
        namespace["failing"](1.0)
    assert namespace["norm"] is norm
    assert layer.scale == 3
    assert not hasattr(layer, "new")
    assert "absent" not in namespace
    assert namespace["plain"](1.0) == 6.0


def test_inherited_attributes_are_inherited_again_afterwards():
    class Base:
        def f(self):
            return 1

    class Child(Base):
        pass

    with doubles_in_place({"Child": Child}, {"Child.f": lambda self: 2}):
        assert Child().f() == 2
        assert Base().f() == 1
    assert "f" not in vars(Child)
    assert Child().f() == 1


def test_doubles_reach_the_module_that_a_name_was_imported_from(monkeypatch):
    exported = types.ModuleType("exported_gpt")
    exec("def norm(x):\n    return x\ndef block(x):\n    return norm(x)", vars(exported))
    monkeypatch.setitem(sys.modules, "exported_gpt", exported)
    original = exported.norm
    namespace = {"norm": exported.norm, "block": exported.block}
    with doubles_in_place(namespace, {"norm": lambda x: -x}):
        assert namespace["block"](1) == -1
    assert exported.norm is original
    assert namespace["norm"] is original


def test_a_missing_class_of_a_double_says_what_to_do():
    with pytest.raises(CourseError, match="run the cells above"), doubles_in_place({}, {"Layer.f": len}):
        pass


def test_randomness_of_the_caller_is_untouched_and_that_of_the_body_repeats():
    namespace = in_notebook("@probe\ndef f():\n    return torch.rand(2)")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = namespace["f"](), namespace["f"]()
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, second)


def test_a_warning_in_student_code_does_not_reach_stderr(capsys):
    namespace = in_notebook("@probe\ndef f():\n    warnings.warn('careful')\n    return 1", warnings=warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: sys.stderr.write(str(message))
        assert namespace["f"]() == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "careful" in captured.out


def test_a_cell_that_has_not_run_is_named():
    namespace = in_notebook("@probe\ndef f():\n    return RMSNorm(3)")
    with pytest.raises(CourseError, match="there is no `RMSNorm` yet: run the cells above"):
        namespace["f"]()


def test_the_students_own_name_error_stays_theirs():
    namespace = in_notebook("def answer():\n    return missing\n\n@probe\ndef f():\n    return answer()")
    with pytest.raises(NameError, match="missing"):
        namespace["f"]()


def test_an_unfinished_answer_is_named():
    source = (
        "class Norm:\n    def forward(self):\n        raise NotImplementedError()\n\n"
        "@probe\ndef f():\n    return Norm().forward()"
    )
    with pytest.raises(NotImplementedError, match="finish `Norm.forward` above first") as caught:
        in_notebook(source)["f"]()
    assert caught.value._render_traceback_() == ["NotImplementedError: finish `Norm.forward` above first"]


def test_another_transport_carries_the_calls():
    namespace = in_notebook("@probe\ndef f(x, y=0):\n    return 1 / 0")
    calls = []
    use_transport(lambda probe, args, kwargs: calls.append((probe.__name__, args, kwargs)) or 7)
    try:
        assert namespace["f"](1, y=2) == 7
    finally:
        use_transport(None)
    assert calls == [("f", (1,), {"y": 2})]
    with pytest.raises(ZeroDivisionError):
        namespace["f"](1)


def test_a_probe_keeps_name_and_docstring():
    namespace = in_notebook('@probe\ndef f():\n    """What it does."""\n    return 1')
    assert (namespace["f"].__name__, namespace["f"].__doc__) == ("f", "What it does.")
