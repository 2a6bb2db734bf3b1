"""The syntax tree of a test cell: what of it travels with a probe, and which of its statements are hidden.

The engine sends to a student's process only what is cut from the instructor's text here; the checker runs the
statements one by one. The probe contract is in `dl1.contract.protocol`; the linter refuses what does not fit it.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proctor.errors import ProctorError
from proctor.notebooks.cells import scan_regions
from proctor.notebooks.code import reads
from proctor.notebooks.neutral import neutral_double, neutral_probe

# The package of probes and checks; nothing of it travels with a probe but what refuses ready-made parts.
CHECKING_PACKAGE = "dl1"
READY_MADE = "without_ready_made"
# Name under which a cell finds what counts its asserts; no name of Python can be this one.
ASSERT_COUNTER = "an assert has held"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Statement(NamedTuple):
    """One statement at top level of a test cell; hidden if any of its lines lies in a hidden region."""

    node: ast.stmt
    hidden: bool


@dataclass(frozen=True)
class TravellingProbe:
    """What goes to a student's process for a call of a probe, apart from the arguments.

    Attributes:
        line: where the probe's definition begins, with its decorator: Python's `co_firstlineno`.
        source: neutral text of the function, as `proctor.notebooks.neutral` makes it.
        imports: import statements of its cell, as far as it and its doubles use them.
        doubles: neutral texts by the interface name, or "Class.attribute", that each of them replaces.
        hidden: whether it stands in the hidden part.
    """

    name: str
    line: int
    source: str
    imports: tuple[str, ...]
    doubles: dict[str, str]
    hidden: bool


@dataclass(frozen=True)
class CheckedCell:
    """A test cell.

    Attributes:
        public_probes: by name and line, so that of two definitions of one name each is found.
        probes: all, and what travels with them; none for whoever sends nothing.
        has_hidden: whether it has a hidden region.
        checks: number of checks and asserts that its text has outside of probes.
    """

    source: str
    statements: tuple[Statement, ...]
    public_probes: frozenset[tuple[str, int]]
    probes: dict[tuple[str, int], TravellingProbe]
    has_hidden: bool
    checks: int


@functools.lru_cache(maxsize=256)
def read_cell(source: str, travelling: bool = True) -> CheckedCell:
    """Take a test cell apart, which is the same one for each submission; what comes of it is not to be changed.

    Args:
        travelling: whether what travels with its probes is wanted.

    Raises:
        ProctorError: it is not Python, or a probe's decorator can't be read from its text.
    """
    try:
        with warnings.catch_warnings():
            # They come up once more when the statements are compiled to run, and belong to the cell's output.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        raise ProctorError(f"line {error.lineno or 1} of the test cell is not Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProctorError(f"the test cell can't be read as Python: {error}") from error
    hidden = _hidden_lines(source)
    statements = tuple(Statement(node, not hidden.isdisjoint(_lines(node))) for node in tree.body)
    defined = [one for one in statements if is_probe(one.node)]
    probes = [_travelling(node, secret, statements) for node, secret in defined] if travelling else []
    return CheckedCell(
        source,
        statements,
        frozenset((node.name, _first_line(node)) for node, secret in defined if not secret),
        {(probe.name, probe.line): probe for probe in probes},
        bool(hidden),
        sum(_checks(node) for node, _ in statements if not is_probe(node)),
    )


def is_probe(node: ast.stmt) -> bool:
    """Whether a statement defines a function with the decorator @probe or @probe(…)."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, functions) and any(_is_probe_decorator(one) for one in node.decorator_list)


def with_counted_asserts(node: ast.stmt) -> ast.Module:
    """A module of this one statement, in which each assert that held calls what is bound to `ASSERT_COUNTER`."""
    return ast.fix_missing_locations(ast.Module([node] if is_probe(node) else _CountAsserts().list_of(node), []))


class _CountAsserts(ast.NodeTransformer):
    def list_of(self, node: ast.stmt) -> list[ast.stmt]:
        result = self.visit(node)
        return result if isinstance(result, list) else [result]

    def visit_Assert(self, node: ast.Assert) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Constant):
            return node
        count = ast.Expr(ast.Call(ast.Name(ASSERT_COUNTER, ast.Load()), [], []))
        return [node, ast.copy_location(count, node)]


def _hidden_lines(source: str) -> set[int]:
    regions, problems = scan_regions(source, "HIDDEN TESTS")
    hidden = {line for region in regions for line in range(region.begin, region.end + 1)}
    if problems:
        # Markers that don't pair up: all that may have been meant as hidden is.
        hidden |= set(range(1, source.count("\n") + 2))
    return hidden


def _lines(node: ast.stmt) -> range:
    return range(_first_line(node), (node.end_lineno or node.lineno) + 1)


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _DEFINITIONS) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _travelling(node: ast.FunctionDef, hidden: bool, statements: Sequence[Statement]) -> TravellingProbe:
    # Imports of the hidden part would tell a public probe about it.
    nodes = [statement.node for statement in statements if hidden or not statement.hidden]
    future = "".join(f"{ast.unparse(one)}\n" for one in nodes if _is_future(one))
    doubles = {path: future + neutral_double(_double(name, node, nodes), path) for path, name in _given(node)}
    source = neutral_probe(node)
    used = set().union(*(reads(ast.parse(text)) for text in (source, *doubles.values())))
    imports = [text for one in nodes if not _is_future(one) for text in _import_text(one, used)]
    return TravellingProbe(node.name, _first_line(node), source, tuple(imports), doubles, hidden)


def _given(probe: ast.FunctionDef) -> list[tuple[str, str]]:
    """Path and name of each double of `@probe(given={"path": Name})`."""
    (decorator,) = [one for one in probe.decorator_list if _is_probe_decorator(one)]
    if not isinstance(decorator, ast.Call):
        return []
    arguments = {keyword.arg: keyword.value for keyword in decorator.keywords}
    given = arguments.pop("given", ast.Dict([], []))
    if decorator.args or arguments or not isinstance(given, ast.Dict):
        raise ProctorError(f'write the decorator of the probe {probe.name} as @probe(given={{"Name": Double}})')
    pairs = []
    for key, value in zip(given.keys, given.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.Name)):
            raise ProctorError(f"the probe {probe.name} needs literal names and doubles of its cell in `given`")
        pairs.append((key.value, value.id))
    return pairs


def _double(name: str, probe: ast.FunctionDef, nodes: Sequence[ast.stmt]) -> ast.stmt:
    """The double of this name as Python finds it where the probe is defined: the last one above."""
    above = [
        one
        for one in nodes
        if isinstance(one, _DEFINITIONS) and one.name == name and one.lineno < probe.lineno and not is_probe(one)
    ]
    if not above:
        raise ProctorError(f"the double {name} of the probe {probe.name} has to be defined above it in the same cell")
    return above[-1]


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _import_text(node: ast.stmt, used: set[str]) -> Iterator[str]:
    """An import statement with the names that are used, but those of the checking package."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [
            alias for alias in node.names if _travels(node, alias) and (_bound(alias) in used or alias.name == "*")
        ]
        if names and isinstance(node, ast.ImportFrom):
            yield ast.unparse(ast.ImportFrom(node.module, names, node.level))
        elif names:
            yield ast.unparse(ast.Import(names))


def _travels(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> bool:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
    return module.split(".")[0] != CHECKING_PACKAGE or alias.name == READY_MADE


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _is_probe_decorator(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(called, "id", None) == "probe" or getattr(called, "attr", None) == "probe"


def _checks(statement: ast.stmt) -> int:
    return sum(map(_is_check, ast.walk(statement)))


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "id", None) or getattr(node.func, "attr", None) or ""
    return name.startswith("check_")
