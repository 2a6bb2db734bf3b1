"""Mutations of this field: a case for each operator, with what was recorded given by hand."""

import pytest

from proctor.catalogue import tensor_mutations
from proctor.catalogue.recording import Seen
from proctor.catalogue.solution_text import SolutionText, position

FLOWS = ("tensor", "real", "graded")


def made(lines, kinds=None, values=None, drawing=()):
    """Operator and changed lines for each mutation of a function whose solution these lines are.

    Args:
        kinds: by the text of an expression, what it was; `values` likewise.
    """
    body = "\n".join(f"    {line}" for line in lines)
    cell = SolutionText(f"def f(self, x, model):\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION")

    def placed(table):
        nodes = list(cell.expressions())
        assert set(table) <= {cell.segment(node) for node in nodes}
        return {position(node): table[cell.segment(node)] for node in nodes if cell.segment(node) in table}

    seen = Seen(
        {place: frozenset(found) for place, found in placed(kinds or {}).items()},
        placed(values or {}),
        frozenset(drawing),
    )
    return [
        (name, [line.strip() for line in text.split("\n")]) for name, text in tensor_mutations.mutations(cell, seen)
    ]


def of(operator, *arguments, **named):
    """What an operator makes, without the function's own line."""
    head = "def f(self, x, model):"
    changed = (lines for name, lines in made(*arguments, **named) if name == operator)
    return [lines[1:] if lines[0] == head else lines for lines in changed]


@pytest.mark.parametrize(
    ("operator", "lines", "kinds", "expected"),
    [
        ("detached", ["return x * 2"], {"x": FLOWS}, ["return x.detach() * 2"]),
        ("detached", ["return x * 2"], {"x * 2": FLOWS}, ["return (x * 2).detach()"]),
        ("no-grad", ["return x"], {"x": FLOWS}, ["@torch.no_grad()", "def f(self, x, model):", "return x"]),
        ("no-grad-removed", ["with torch.no_grad(): x = model(x)"], {}, ["with torch.enable_grad(): x = model(x)"]),
        ("in-place", ["x = x + 1"], {"x": FLOWS, "x + 1": FLOWS}, ["x = x.add_(1)"]),
        ("in-place", ["x = x.clamp(min=1)"], {"x": FLOWS, "x.clamp(min=1)": FLOWS}, ["x = x.clamp_(min=1)"]),
        ("mode", ["p = 0.1 if self.training else 0"], {}, ["p = 0.1 if (not self.training) else 0"]),
        ("mode", ["model.eval()"], {}, ["model.train()"]),
        ("mode", ["return model(x)"], {"model": {"module"}}, ["model.eval()", "return model(x)"]),
        (
            "dropout-added",
            ["return self.W * x"],
            {"self": {"module"}, "x": FLOWS},
            ["return self.W * torch.nn.functional.dropout(x, 0.5, self.training)"],
        ),
        ("dropout-moved", ["return self.drop(self.proj(x))"], {}, ["return self.proj(self.drop(x))"]),
        ("dropout-moved", ["return self.drop(x) @ v"], {}, ["return x @ self.drop(v)"]),
        ("dropout-moved", ["return self.drop(x) @ v"], {"self.drop(x) @ v": FLOWS}, ["return self.drop(x @ v)"]),
        (
            "dropout-moved",
            ["y = self.drop(x)", "return self.head(y)"],
            {"self.head(y)": FLOWS},
            ["y = x", "return self.drop(self.head(y))"],
        ),
        ("float32", ["return y.to(x.dtype)"], {}, ["return y.to(torch.float32)"]),
        ("float32", ["return x * 2"], {"x * 2": FLOWS}, ["return (x * 2).float()"]),
        ("float32", ["y = x * 2"], {"x": (*FLOWS, "other")}, ["y = x.float() * 2"]),
        ("transposition", ["return x @ self.W.T"], {}, ["return x @ self.W"]),
        ("transposition", ["return x.permute(1, 2, 0)"], {}, ["return x"]),
        ("transposition", ["return x @ y"], {}, ["return x @ y.mT"]),
        ("mask", ["return y[self.mask]"], {"self.mask": ("tensor", "bool")}, ["return y[self.mask.roll(1, -1)]"]),
        ("mask", ["return y[self.mask]"], {"self.mask": ("tensor", "bool")}, ["return y[(~self.mask)]"]),
        (
            "input-changed",
            ["return g(x)"],
            {"x": FLOWS},
            ["result_of_all = (g(x)); x.data.add_(1); return result_of_all"],
        ),
        (
            "input-changed",
            ["return g(x)"],
            {"x": ("DataFrame",)},
            ["result_of_all = (g(x)); x.insert(0, 'put in', 0); return result_of_all"],
        ),
        ("cached", ["return g(x)"], {"x": FLOWS}, ["@cached", "def f(self, x, model):", "return g(x)"]),
        ("seeded", ["return torch.multinomial(x, 1)"], {}, ["torch.manual_seed(0)", "return torch.multinomial(x, 1)"]),
    ],
)
def test_each_operator(operator, lines, kinds, expected):
    assert expected in of(operator, lines, kinds)


def test_only_tensors_are_treated_as_tensors_and_only_where_more_than_their_form_is_used():
    lines = ["return torch.zeros_like(x[0]), x.shape, len(x), x > 0"]
    assert of("detached", lines, {"x": FLOWS, "x[0]": FLOWS}) == []
    assert of("detached", ["return x"], {"x": ("tensor", "real")}) == []
    assert of("dropout-added", ["return x"], {"x": FLOWS}) == [], "no module's method"


def test_what_is_made_float32_anyway_is_not_made_so_twice():
    kinds = {"x": (*FLOWS, "other"), "x[0]": (*FLOWS, "other"), "x[0].float()": FLOWS}
    assert of("float32", ["y = x[0].float()"], kinds) == []


def test_a_value_is_written_down_if_it_is_the_only_one_of_the_public_check():
    lines = ["return x.view(x.shape[0], self.n, 2)"]
    values = {"x.shape[0]": ("3",), "self.n": ("2", "4")}
    assert of("hard-coded", lines, values=values) == [["return x.view(3, self.n, 2)"]]


def test_a_seed_is_set_where_random_numbers_were_drawn():
    assert of("seeded", ["return x"]) == []
    assert of("seeded", ["return x"], drawing=[1]) == [["torch.manual_seed(0)", "return x"]]
