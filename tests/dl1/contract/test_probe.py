import sys
import types
import warnings

import pytest
import torch

from dl1 import probe as make_probe
from dl1.contract.probe import doubles_in_place
from dl1.contract.protocol import ProtocolError, use_transport
from dl1.errors import CourseError


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
    with pytest.raises(CourseError, match="plain function"):
        in_notebook("@probe\nasync def f():\n    yield 1")


@pytest.mark.parametrize(
    "what", ["@probe\nclass f:\n    pass", "probe({'norm': len})", "probe(given={})(len)", "probe(3)"]
)
def test_what_is_no_function_is_refused_with_the_right_form(what):
    with pytest.raises(CourseError, match=r"write @probe or @probe\(given=\{"):
        in_notebook(what)


def test_doubles_are_those_of_the_decoration():
    given = {"norm": len}
    namespace = in_notebook("@probe(given=given)\ndef f():\n    return norm([1, 2])", given=given)
    given.clear()
    assert namespace["f"]() == 2


def test_parameters_may_have_any_name():
    namespace = in_notebook("@probe\ndef f(self, probe, args, kwargs=3):\n    return [self, probe, args, kwargs]")
    assert namespace["f"](probe=1, self=0, args=2) == [0, 1, 2, 3]


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


@pytest.mark.parametrize(
    "error", ["ValueError('mine')", "KeyboardInterrupt()", "SystemExit(1)", "NotImplementedError()"]
)
def test_everything_is_put_back_after_any_exception(error):
    namespace = in_notebook(
        f"""
def norm():
    return 1

class Layer:
    def apply(self):
        raise {error}

class Double(Layer):
    pass

@probe(given={{"norm": Double, "Layer": Double, "Layer.scale": 2, "absent": Double}})
def f():
    torch.set_grad_enabled(False)
    torch.manual_seed(5)
    return Layer().apply()
"""
    )
    before = dict(namespace)
    vars_before = {name: dict(vars(namespace[name])) for name in ("Layer", "Double")}
    state, stderr = torch.get_rng_state(), sys.stderr
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (which one it is does not matter)
        namespace["f"]()
    assert type(caught.value).__name__ in error
    assert namespace == before
    assert {name: dict(vars(namespace[name])) for name in ("Layer", "Double")} == vars_before
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert sys.stderr is stderr


def test_what_the_body_itself_takes_away_does_not_matter():
    namespace = in_notebook(
        "class Layer:\n    pass\n"
        "@probe(given={'absent': len, 'Layer.new': len})\n"
        "def f():\n    global absent\n    del absent\n    del Layer.new\n    return 1"
    )
    assert namespace["f"]() == 1
    assert "absent" not in namespace


def test_kinds_of_methods_come_back_as_they_were():
    class Layer:
        @staticmethod
        def s():
            return "s"

        @classmethod
        def c(cls):
            return cls

        @property
        def p(self):
            return "p"

    before = dict(vars(Layer))
    with doubles_in_place({"Layer": Layer}, {f"Layer.{name}": lambda self=None: "double" for name in "scp"}):
        assert Layer().s() == Layer().c() == Layer().p() == "double"
    assert {name: vars(Layer)[name] for name in "scp"} == {name: before[name] for name in "scp"}
    assert (Layer.s(), Layer.c(), Layer().p) == ("s", Layer, "p")


def test_a_method_of_a_double_can_be_replaced_too():
    class Layer:
        def f(self):
            return "layer"

    class Double:
        def f(self):
            return "double"

    namespace = {"Layer": Layer}
    with doubles_in_place(namespace, {"Layer": Double, "Layer.f": lambda self: "method of double"}):
        assert namespace["Layer"]().f() == "method of double"
        assert Layer().f() == "layer"
    assert namespace["Layer"] is Layer
    assert Double().f() == "double"


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


def test_an_unrelated_name_in_the_home_module_is_left_alone(monkeypatch):
    home = types.ModuleType("home_of_norm")
    exec("def norm(x):\n    return x", vars(home))
    monkeypatch.setitem(sys.modules, "home_of_norm", home)
    other = home.norm
    exec("def norm(x):\n    return 2 * x", vars(home))
    namespace, newer = {"norm": other}, home.norm
    with doubles_in_place(namespace, {"norm": len}):
        assert namespace["norm"] is len
        assert home.norm is newer
    assert (namespace["norm"], home.norm) == (other, newer)


def test_a_class_that_became_something_else_is_explained():
    namespace = in_notebook("Layer = 5\n@probe(given={'Layer.f': len})\ndef f():\n    return 1")
    with pytest.raises(CourseError, match="`Layer` is no class any more: run the cell that defines it"):
        namespace["f"]()


def test_a_probe_inside_a_probe_gives_back_what_it_took():
    namespace = in_notebook(
        """
def norm():
    return "plain"

def first():
    return "first"

def second():
    return "second"

@probe(given={"norm": second})
def inner():
    return [norm(), torch.rand(1)]

@probe(given={"norm": first})
def outer():
    one = torch.rand(1)
    return [norm(), inner(), norm(), one, torch.rand(1)]

@probe(given={"norm": first})
def outer_alone():
    return [torch.rand(1), torch.rand(1)]
outer_alone.__name__ = "outer"
"""
    )
    before, inside, after, *randoms = namespace["outer"]()
    assert (before, inside[0], after, namespace["norm"]()) == ("first", "second", "first", "plain")
    assert inside[1] == namespace["inner"]()[1]
    assert randoms == namespace["outer_alone"]()


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
    other = in_notebook("@probe\ndef g():\n    return torch.rand(2)")["g"]()
    assert not torch.equal(first, other)


@pytest.mark.skipif(torch.cuda.is_initialized(), reason="a CUDA device is in use: it has to be seeded")
def test_devices_that_are_not_in_use_are_not_seeded(monkeypatch):
    # torch would keep the seed and apply it, over the student's own, when the device is first used.
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    in_notebook("@probe\ndef f():\n    return torch.rand(2)")["f"]()
    assert seeds == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: its random generator was not watched")
def test_randomness_on_a_device_is_untouched_and_that_of_the_body_repeats():
    torch.cuda.manual_seed_all(1)
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed_all(1)
    namespace = in_notebook("@probe\ndef f():\n    return torch.rand(2, device='cuda')")
    assert torch.equal(namespace["f"](), namespace["f"]())
    assert torch.equal(torch.rand(3, device="cuda"), expected)


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
    with pytest.raises(CourseError, match="there is no `RMSNorm` yet: run the cells above") as caught:
        namespace["f"]()
    assert caught.value.__suppress_context__
    assert caught.value._render_traceback_() == [f"CourseError: {caught.value}"]


@pytest.mark.parametrize(
    "body",
    ["[RMSNorm(i) for i in range(2)]", "(lambda: RMSNorm(1))()", "sum(RMSNorm(i) for i in [1])", "{1: RMSNorm}[1]"],
)
def test_a_cell_that_has_not_run_is_named_from_deeper_inside_too(body):
    with pytest.raises(CourseError, match="there is no `RMSNorm` yet: run the cells above"):
        in_notebook(f"@probe\ndef f():\n    return {body}")["f"]()


def test_the_students_own_name_error_stays_theirs():
    namespace = in_notebook("def answer():\n    return missing\n\n@probe\ndef f():\n    return answer()")
    with pytest.raises(NameError, match="missing"):
        namespace["f"]()
    namespace = in_notebook("@probe\ndef f():\n    x = y\n    y = 1")
    with pytest.raises(UnboundLocalError):
        namespace["f"]()


def test_the_students_own_exception_is_the_very_one():
    class Mine(Exception):
        pass

    error = Mine("text")
    namespace = in_notebook("def answer():\n    raise error\n\n@probe\ndef f():\n    return answer()", error=error)
    with pytest.raises(Mine) as caught:
        namespace["f"]()
    assert caught.value is error
    assert [entry.name for entry in caught.traceback][-2:] == ["f", "answer"]


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
