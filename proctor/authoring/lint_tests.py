"""Rules for test cells, from the syntax tree: what may stand in a probe, what beside it, and that both parts check.

A probe's body runs in the student's process and everything around it in the checker, so that each side can use only
what is really there. See the probe contract in `dl1.contract.protocol`.
"""

from __future__ import annotations

import ast
import builtins
import copy
from collections import Counter
from collections.abc import Collection, Iterator

from proctor.authoring.lint_expectations import expectation_findings
from proctor.authoring.lint_tolerances import tolerance_findings
from proctor.notebooks.cells import scan_regions
from proctor.notebooks.checked_cells import READY_MADE
from proctor.notebooks.code import bound_names, line_of, parse, reads, reads_at_once

# The package of probes and checks. Its names belong to the checker, whatever they are.
CHECKING_PACKAGE = "dl1"
_BUILTINS = frozenset(dir(builtins))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)

Finding = tuple[int, str]


def cell_findings(source: str, interface: Collection[str]) -> list[Finding]:
    """What is wrong with the code of one test cell, as (line, what to do) in order of lines.

    `interface` holds the names that the notebook promises to probes. A cell that does not parse gives nothing here.
    """
    code = parse(source)
    if code.error or code.magics:
        return []
    hidden = [range(region.begin, region.end + 1) for region in scan_regions(source, "HIDDEN TESTS")[0]]
    cell = _TestCell(code.tree, frozenset(interface))
    findings = [*cell.findings(), *_missing_verdicts(cell, hidden), *tolerance_findings(code.tree)]
    findings += expectation_findings(code.tree)

    # Students get the cell without its hidden part, so what is left has to stand by itself.
    lines = ["" if any(number in part for part in hidden) else line for number, line in _numbered(source)]
    public = parse("\n".join(lines))
    if public.error:
        findings.append(
            (public.error[0], "does not parse without its hidden tests; put the markers around whole statements")
        )
    else:
        alone = _TestCell(public.tree, cell.interface).findings()
        findings += [
            (line, f"in the students' version, which lacks the hidden tests: {message}")
            for line, message in alone
            if (line, message) not in findings
        ]
    return sorted(set(findings))


class _TestCell:
    """The parts of a test cell: probes, their doubles, and which names are there for whom."""

    def __init__(self, tree: ast.Module, interface: frozenset[str]) -> None:
        self.tree = tree
        self.interface = interface
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        self.checking = {name for node in imports for name in _checking_names(node)}
        self.imports = {name for node in imports for name in bound_names(node)} - self.checking
        self.bound = bound_names(tree)
        self.probes = [node for node in tree.body if isinstance(node, _FUNCTIONS) and _probe_decorators(node)]
        self.definitions = {node.name: node for node in tree.body if isinstance(node, _DEFINITIONS)}
        named = {value.id for probe in self.probes for _, value in _given(probe) if isinstance(value, ast.Name)}
        self.doubles = [self.definitions[name] for name in sorted(named & set(self.definitions))]

    def findings(self) -> Iterator[Finding]:
        yield from self._bindings()
        yield from self._names_of_the_checker()
        yield from self._uses_of_probe()
        for probe in self.probes:
            yield from self._decorator(probe)
            yield from self._body(probe)
            yield from self._travelling_names(probe, f"probe `{probe.name}`")
        for double in self.doubles:
            yield from self._travelling_names(double, f"double `{double.name}`")
        yield from self._raises_unfinished()
        yield from self._ready_made()

    def _bindings(self) -> Iterator[Finding]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Global):
                yield node.lineno, f"global {', '.join(node.names)}: return the value instead of setting a global name"
            elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                yield node.lineno, f"from {node.module} import *: import the names that the cell uses"
        for statement in self.tree.body:
            for name in sorted(bound_names(statement) & self.interface):
                yield statement.lineno, f"binds `{name}`, which is the student's answer; use another name"
        counts = Counter(node.name for node in self.tree.body if isinstance(node, _DEFINITIONS))
        for travelling in (*self.probes, *self.doubles):
            if counts[travelling.name] > 1:
                yield travelling.lineno, f"`{travelling.name}` is defined more than once; give each its own name"

    def _names_of_the_checker(self) -> Iterator[Finding]:
        for statement in self.tree.body:
            # The rest of these two runs in the student's process.
            travels = statement in self.probes or statement in self.doubles
            needed = reads_at_once(statement) if travels else reads(statement)
            for name in sorted(needed - self.bound - _BUILTINS):
                if name in self.interface:
                    message = f"`{name}` is the student's and not there in the checker; call it inside a probe"
                else:
                    message = f"`{name}` is not bound in this cell; import or define it here"
                yield line_of(statement, name), message

    def _uses_of_probe(self) -> Iterator[Finding]:
        decorating = {
            id(part)
            for node in ast.walk(self.tree)
            if isinstance(node, _DEFINITIONS)
            for decorator in node.decorator_list
            for part in ast.walk(decorator)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if any(alias.name == "probe" and alias.asname not in (None, "probe") for alias in node.names):
                    yield node.lineno, "import probe under its own name"
            elif isinstance(node, ast.Name) and node.id == "probe" and id(node) not in decorating:
                yield node.lineno, "use probe only as a decorator, @probe"
            elif isinstance(node, _DEFINITIONS) and _probe_decorators(node) and node not in self.probes:
                yield node.lineno, f"probe `{node.name}` must be a function at top level of the cell; move it there"

    def _decorator(self, probe: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
        line = probe.decorator_list[0].lineno
        given = _given(probe)
        plain = isinstance(probe.decorator_list[0], ast.Name)
        if len(probe.decorator_list) != 1 or not (plain or given):
            yield line, f'probe `{probe.name}`: write the decorator as @probe or @probe(given={{"Name": Double}})'
        functions = {other.name for other in self.probes}
        for key, value in given:
            text = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
            name, dot, attribute = (text or "").partition(".")
            if text is None or name not in self.interface or (dot and not attribute.isidentifier()):
                shown = ast.unparse(key) if key else "**"
                yield line, f'given key {shown}: write an interface name or "Name.method" as a literal string'
            if not isinstance(value, ast.Name) or value.id not in self.definitions or value.id in functions:
                yield line, f"given value {ast.unparse(value)}: name a class or function at top level of this cell"

    def _body(self, probe: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
        if isinstance(probe, ast.AsyncFunctionDef) or any(
            isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _own_scope(probe.body)
        ):
            yield probe.lineno, f"probe `{probe.name}` is async or a generator; write a function that returns its data"
        for node in (node for statement in probe.body for node in ast.walk(statement)):
            if isinstance(node, ast.Assert) or self._is_check(node):
                yield node.lineno, f"probe `{probe.name}` gives a verdict; return data and check it outside"

    def _travelling_names(self, node: ast.AST, what: str) -> Iterator[Finding]:
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom)) and _checking_names(inner):
                yield inner.lineno, f"{what} imports from {CHECKING_PACKAGE}, which is for the checker; do it outside"
        sent = copy.copy(node)
        sent.decorator_list = [one for one in node.decorator_list if one not in _probe_decorators(node)]
        at_once, needed = reads_at_once(sent), reads(sent)
        for name in sorted(needed - self.interface - self.imports - _BUILTINS):
            if name == READY_MADE and name in self.checking:
                continue
            if name in self.checking:
                message = f"`{name}` of {CHECKING_PACKAGE}, which is only in the checker; return data and use it there"
            elif name in self.bound and name in at_once:
                message = f"`{name}` of this cell in defaults, bases or annotations; write the value itself there"
            elif name in self.bound:
                message = f"`{name}` of this cell, which does not travel along; pass it as an argument or put it inside"
            else:
                message = f"`{name}`, which is not there; import it, or declare it in metadata.proctor.interface"
            yield line_of(sent, name), f"{what} uses {message}"

    def _raises_unfinished(self) -> Iterator[Finding]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and _called(node) == "check_raises":
                names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
                if any(name.id == "NotImplementedError" for name in names):
                    yield node.lineno, "check_raises with NotImplementedError passes an unfinished answer; name another"

    def _ready_made(self) -> Iterator[Finding]:
        inside = {id(node) for probe in self.probes for node in ast.walk(probe)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and any(
                alias.name == READY_MADE and alias.asname not in (None, READY_MADE) for alias in node.names
            ):
                yield node.lineno, f"import {READY_MADE} under its own name"
            if not isinstance(node, ast.Call) or _called(node) != READY_MADE:
                continue
            literal = all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in node.args)
            if node.keywords or not node.args or not literal:
                yield node.lineno, f"{READY_MADE} needs literal names, which are also looked for in the answer's text"
            if id(node) not in inside:
                yield node.lineno, f"{READY_MADE} outside of a probe refuses nothing; put it around the call inside"

    def _is_check(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not (_called(node) or "").startswith("check_"):
            return False
        if isinstance(node.func, ast.Attribute):
            return isinstance(node.func.value, ast.Name) and node.func.value.id in self.checking
        return node.func.id not in self.interface

    def verdict_lines(self) -> set[int]:
        """Lines of the checks and asserts that run when the cell runs, in it or in a function of it that is called."""
        helpers = {
            name: node
            for name, node in self.definitions.items()
            if isinstance(node, ast.FunctionDef) and node not in self.probes and node not in self.doubles
        }
        checking: set[str] = set()
        while True:
            found = {name for name, node in helpers.items() if self._verdicts(node.body, checking, helpers)}
            if found == checking:
                return self._verdicts(self.tree.body, checking, helpers)
            checking = found

    def _verdicts(self, body: list[ast.stmt], checking: set[str], helpers: Collection[str]) -> set[int]:
        lines = set()
        for node in _own_scope(body):
            called = _called(node) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if isinstance(node, ast.Assert):
                counts = not isinstance(node.test, ast.Constant)
            else:
                counts = called in checking if called in helpers else self._is_check(node)
            if counts:
                lines.add(node.lineno)
        return lines


def _missing_verdicts(cell: _TestCell, hidden: list[range]) -> Iterator[Finding]:
    lines = cell.verdict_lines()
    inside = {line for line in lines if any(line in part for part in hidden)}
    if not lines - inside:
        yield 1, "the public part checks nothing; add a check_* call or an assert outside of the probes"
    if hidden and not inside:
        yield hidden[0].start, "the hidden part checks nothing; add a check_* call or an assert outside of the probes"


def _numbered(source: str) -> Iterator[tuple[int, str]]:
    return enumerate(source.split("\n"), start=1)


def _checking_names(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Names that an import statement takes from the checker's package."""
    names = set()
    for alias in node.names:
        module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        if module.split(".")[0] == CHECKING_PACKAGE:
            names.add(alias.asname or alias.name.split(".")[0])
    return names


def _probe_decorators(node: ast.AST) -> list[ast.expr]:
    """Decorators that are meant as @probe, in whatever form."""
    return [decorator for decorator in node.decorator_list if any(map(_is_probe, ast.walk(decorator)))]


def _is_probe(node: ast.AST) -> bool:
    return getattr(node, "id", None) == "probe" or getattr(node, "attr", None) == "probe"


def _given(probe: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[ast.expr | None, ast.expr]]:
    """Keys and values of `@probe(given={…})`; empty for any other form. The key is None for `**`."""
    call = probe.decorator_list[0]
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args or len(call.keywords) != 1:
        return []
    keyword = call.keywords[0]
    if call.func.id != "probe" or keyword.arg != "given" or not isinstance(keyword.value, ast.Dict):
        return []
    return list(zip(keyword.value.keys, keyword.value.values, strict=True))


def _called(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def _own_scope(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes of a block that run with it: not those inside of functions, classes and lambdas defined there."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
            yield node
            waiting.extend(ast.iter_child_nodes(node))
