import ast

import pytest

from proctor.notebooks.code import bound_names, line_of, parse, reads, reads_at_once


@pytest.mark.parametrize(
    ("code", "bound", "at_once", "ever"),
    [
        ("x = y", "x", "y", "y"),
        ("x: T = y", "x", "T y", "T y"),
        ("x += 1", "", "x", "x"),
        ("x.a += y", "", "x y", "x y"),
        ("x[i] += y\nx = 1", "x", "i x y", "i x y"),
        ("del x[i], y", "", "i x y", "i x y"),
        ("import a.b, c.d as e\nfrom f import g as h", "a e h", "", ""),
        ("[(y := v) for v in vs if v]", "y", "vs", "vs"),
        ("{k: v for k, vs in items for v in vs}", "", "items", "items"),
        ("sum(v * w for v in vs)", "", "sum vs w", "sum vs w"),
        ("[v for v in v]", "", "v", "v"),
        ("f = lambda x, d=k: x + g", "f", "k", "g k"),
        ("def f(x: T = D, *a, **k) -> R:\n    return x + y, a, k", "f", "D R T", "D R T y"),
        ("@d\ndef f():\n    def g():\n        nonlocal x\n        x = u\n    x = 0\n    return g", "f", "d", "d u"),
        ("def f():\n    return [a for a in b if (w := a)] + w", "f", "", "b"),
        ("def f():\n    global h\n    h = 1", "f h", "", ""),
        ("def f():\n    global h\n    return h", "f", "", "h"),
        ("class A:\n    def f(self):\n        global h\n        h = 1", "A h", "", ""),
        ("async def f():\n    async with o() as p:\n        yield p", "f", "", "o"),
        ("class A(B, metaclass=M):\n    x = y\n    z = x", "A", "B M y", "B M y"),
        ("class A:\n    x = 1\n    def m(self):\n        return super().m(x)", "A", "", "super x"),
        ("class A:\n    rows = [v for v in t]", "A", "t", "t"),
        ("class A:\n    class B:\n        def m(self):\n            return q", "A", "", "q"),
        ("try:\n    pass\nexcept E as e:\n    e", "e", "E e", "E e"),
        ("with o() as (a, *b):\n    pass", "a b", "o", "o"),
        ("for i, c.d in r:\n    pass\nelse:\n    j = 1", "i j", "c r", "c r"),
        ("while (n := f()):\n    pass", "n", "f", "f"),
        ("match v:\n    case {'k': k, **rest} | K(k, rest=rest):\n        pass", "k rest", "K v", "K v"),
        ("f'{x!r:>{w}}'", "", "w x", "w x"),
    ],
)
def test_names(code, bound, at_once, ever):
    tree = ast.parse(code)
    before = ast.dump(tree)
    assert bound_names(tree) == set(bound.split())
    assert reads_at_once(tree) == set(at_once.split())
    assert reads(tree) == set(ever.split())
    assert ast.dump(tree) == before


def test_line_of_the_first_use():
    tree = ast.parse("a = 1\nb = (a +\n     q)\nq\nif a:\n    c = 1\n    print(c)\nn += 1")
    assert line_of(tree, "q") == 3
    assert line_of(tree, "c") == 7
    assert line_of(tree, "n") == 8
    assert line_of(tree.body[1], "missing") == 2


@pytest.mark.parametrize(
    ("text", "without", "magics"),
    [
        ("x = (a\n% b)", "x = a % b", []),
        ("%matplotlib inline\nx = 1", "pass\nx = 1", [1]),
        ("if x:\n    !ls {y}", "if x:\n    pass", [2]),
        ("files = !ls\nt = %time 1", "files = None\nt = None", [1, 2]),
        ("torch.nn?\n?x\nx = 1", "pass\npass\nx = 1", [1, 2]),
        ("%%time\nx = 1", "pass\nx = 1", [1]),
        ("%%bash\nfor f in *; do echo $f; done", "", [1]),
        ("text = '''\n%not magic\n'''", "text = '\\n%not magic\\n'", []),
        ("await f()", "await f()", []),
    ],
)
def test_parse_with_ipython_lines(text, without, magics):
    code = parse(text)
    assert code.error is None
    assert ast.unparse(code.tree) == without
    assert code.magics == magics


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ndef f(:", 2),
        ("x = 1\nreturn x", 2),
        ("%matplotlib inline\nx = 1 +", 2),
        ("x = (a\n% b)\ny = = c", 3),
        ("\0", 1),
        ("(" * 300, 1),
    ],
)
def test_parse_says_where_it_is_wrong(text, line):
    code = parse(text)
    assert code.error is not None
    assert code.error[0] == line
    assert code.error[1]
    assert code.tree.body == []


def test_parse_keeps_what_python_warns_of():
    code = parse("x = 1\nassert (x, 'always')")
    assert [line for line, _ in code.warnings] == [2]
    assert "always true" in code.warnings[0][1]
    assert parse("x = 1").warnings == []
