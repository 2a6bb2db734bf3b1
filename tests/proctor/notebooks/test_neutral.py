"""The neutral text of a probe: other names, the same results, and no word of what it is for."""

import ast

import pytest

from proctor.errors import ProctorError
from proctor.notebooks.neutral import bound_arguments, neutral_double, neutral_probe

BODIES = {
    "parameters": (
        "def f(first, second=2, *rest, key=3, **more):\n    return first, second, rest, key, more",
        (1,),
        {},
    ),
    "all of them": (
        "def f(first, second=2, *rest, key=3, **more):\n    return first, second, rest, key, more",
        (1, 5, 6, 7),
        {"key": 8, "more": 9},
    ),
    "only by position": ("def f(first, /, second):\n    return first - second", (5,), {"second": 3}),
    "a loop": (
        "def f(n):\n    total = 0\n    for number in range(n):\n        total += number\n    return total",
        (4,),
        {},
    ),
    "comprehensions": (
        "def f(n):\n    rows = [[row * column for column in range(n)] for row in range(n)]\n"
        "    return rows, {row: n for row in 'ab'}, {n for n in range(n)}, (last := n), last",
        (3,),
        {},
    ),
    "a walrus inside": ("def f(n):\n    return [last := one for one in range(n)], last", (3,), {}),
    "a closure": (
        "def f(n):\n    count = 0\n    def step(by=n):\n        nonlocal count\n        count += by\n"
        "        return count\n    step()\n    return step(by=2), count",
        (3,),
        {},
    ),
    "a lambda": ("def f(n):\n    return sorted([3, 1, 2], key=lambda item: -item * n)", (1,), {}),
    "a class": (
        "def f(x):\n    class Own:\n        size = 2\n        sizes = [size]\n        def grow(self, x):\n"
        "            return x * self.size\n    own = Own()\n    return own.grow(x=x), Own.size, Own.sizes",
        (4,),
        {},
    ),
    "a name that a class has, too": (
        "def f(x):\n    class Own:\n        x = 2\n        def y(self):\n            return x\n"
        "    return x, Own.x, Own().y()",
        (4,),
        {},
    ),
    "imports": ("def f(x):\n    import math, os.path as way\n    return math.floor(x), way.join('a', 'b')", (1.5,), {}),
    "errors and files": (
        "def f(path):\n    try:\n        with open(path) as handle:\n            return handle.read()\n"
        "    except OSError as error:\n        return type(error).__name__",
        ("/no/such/file",),
        {},
    ),
    "match": (
        "def f(value):\n    match value:\n        case {'a': found, **others}:\n            return found, others\n"
        "        case [head, *tail] as whole:\n            return head, tail, whole",
        ([1, 2, 3],),
        {},
    ),
    "an annotation alone": ("def f(x: Later) -> Later:\n    y: Later = x\n    z: Later\n    return y", (2,), {}),
    "a global": ("def f():\n    return len(KNOWN), KNOWN", (), {}),
    "zero-argument super": (
        "def f(x):\n    class A:\n        def g(self):\n            return 1\n    class B(A):\n        def g(self):\n"
        "            return super().g() + x\n    return B().g()",
        (2,),
        {},
    ),
    "starred": ("def f(items):\n    head, *tail = items\n    del head\n    return [*tail, *items]", ([1, 2],), {}),
}


def neutral(source: str):
    text = neutral_probe(ast.parse(source).body[0])
    own = {}
    exec(text, {"KNOWN": "known"}, own)
    return text, own["_"]


@pytest.mark.parametrize("case", BODIES)
def test_the_result_is_the_same(case):
    source, args, kwargs = BODIES[case]
    namespace = {"KNOWN": "known"}
    exec("from __future__ import annotations\n" + source, namespace)
    _, function = neutral(source)
    assert function(**bound_arguments(namespace["f"], args, kwargs)) == namespace["f"](*args, **kwargs)


def test_nothing_of_the_text_is_left():
    source = (
        "def secret_weights(secret_x: 'secret annotation', *secret_rest, secret_key=1):\n"
        '    """Secret docstring."""\n'
        "    # secret comment\n"
        "    secret_total = [secret_one for secret_one in secret_rest]\n"
        "    def secret_helper(secret_arg) -> 'secret':\n"
        "        'secret text'\n        return secret_arg\n"
        "    class SecretDouble:\n        def __init__(self):\n            'secret'\n"
        "    import torch.nn as secret_module\n"
        "    try:\n        with secret_helper(1) as secret_handle:\n            pass\n"
        "    except ValueError as secret_error:\n        pass\n"
        "    return answer(secret_x), secret_total, lambda secret_y: secret_y, SecretDouble"
    )
    text, function = neutral(source)
    assert "secret" not in text.lower()
    assert "answer(_0)" in text
    assert function.__name__ == function.__qualname__ == "_"
    assert function.__doc__ is None
    assert function.__code__.co_firstlineno == 1


def test_what_the_body_raises_is_its_result():
    _, function = neutral("def f(x):\n    return 1 / x")
    error = function(_0=0)
    assert isinstance(error, ZeroDivisionError)
    assert error.__traceback__.tb_frame.f_code is function.__code__


def test_a_double_has_the_name_that_it_stands_for_and_the_parameters_of_its_own():
    source = 'def swapped(self, xq, *, xk):\n    """Stands in."""\n    secret = xq\n    return xk, secret\n'
    text = neutral_double(ast.parse(source).body[0], "Attention.rotated")
    assert text == "def rotated(self, xq, *, xk):\n    _0 = xq\n    return (xk, _0)\n"
    source = (
        "@dataclass\nclass Double(Base):\n    '''Secret.'''\n    size: int = 3\n"
        "    def forward(self, x, scale=1):\n        'Secret.'\n        secret = x\n        return secret\n"
    )
    text = neutral_double(ast.parse(source).body[0], "Norm")
    assert text.startswith("@dataclass\nclass Norm(Base):\n    size: int = 3\n\n    def forward(self, x, scale=1):\n")
    assert "ecret" not in text


@pytest.mark.parametrize("name", ["locals", "vars", "eval", "exec", "dir"])
def test_names_in_a_text_are_refused(name):
    with pytest.raises(ProctorError, match=f"uses {name}"):
        neutral_probe(ast.parse(f"def f(x):\n    return {name}()").body[0])


def test_a_call_that_does_not_fit_is_an_error_of_the_test():
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        bound_arguments(lambda x: x, (), {})
