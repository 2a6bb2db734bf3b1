"""What an answer takes ready-made although its question asks for it to be written: found in the answer's text.

Probes refuse such a call where it runs, beside student code, which can undo that. Here the text is looked at, in the
engine: only what the answer uses counts, by whatever name it was imported, not what it mentions in comments or texts.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from proctor.checking.verdict import FAILED, Verdict
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.checked_cells import READY_MADE
from proctor.notebooks.code import bound_names, parse, reads

NAME = "what the answer may use"
# What gets at an attribute, or a module, by its name in a text.
_BY_TEXT = frozenset({"getattr", "attrgetter", "methodcaller", "import_module", "__import__", "exec", "eval"})
_TABLES = frozenset({"modules", "__dict__"})
_OPENERS = frozenset({"__import__", "import_module", "getattr", "globals", "vars", "eval"})


def without_ready_made(notebook: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts, with those lost whose answer uses what its test cell names in `without_ready_made(…)`.

    Args:
        notebook: the rebuilt notebook, with the submission's text in its answer cells.
        verdicts: by grade_id of the test cell.
    """
    looked = dict(verdicts)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    trees = functools.cache(
        lambda: {n: parse(notebook_cells.source(cell)).tree for n, cell in enumerate(cells) if _of_the_student(cell)}
    )
    bindings = functools.cache(
        lambda: [
            one for n, cell in enumerate(cells) for one in _bindings(trees().get(n) or notebook_cells.source(cell))
        ]
    )
    for grade_id, verdict in verdicts.items():
        found = list(dict.fromkeys(_found(cells, trees, bindings, grade_id)))
        if not found:
            continue
        lines = [
            f"{name} is what this question asks you to write: take it out of line {line} of {cell}"
            for name, line, cell in found
        ]
        text, note = "\n".join(lines), f"{grade_id}: the answer uses {', '.join(name for name, _, _ in found)}"
        if verdict.passed:
            staff = f"passed but for this\n{verdict.staff_text}"
            looked[grade_id] = Verdict(grade_id, False, FAILED, NAME, False, text, staff, [*verdict.notes, note])
        else:
            looked[grade_id] = replace(verdict, notes=[*verdict.notes, note])
    return looked


def _of_the_student(cell: Mapping[str, Any]) -> bool:
    return notebook_cells.role(cell) in ("solution", "manual") or str(cell.get("id", "")).startswith("added-")


def _bindings(code: str | ast.Module) -> Sequence[ast.stmt]:
    """What a cell imports and plainly assigns; given cells are the same text for all students."""
    if isinstance(code, str):
        return _bindings_given(code)
    return [one for one in ast.walk(code) if isinstance(one, _BINDINGS)]


@functools.lru_cache(maxsize=2_000)
def _bindings_given(text: str) -> Sequence[ast.stmt]:
    return _bindings(parse(text).tree)


@functools.lru_cache(maxsize=2_000)
def refused_names(test: str) -> Sequence[str]:
    """Names that a test cell's probes refuse: the literal arguments of `without_ready_made`."""
    if READY_MADE not in test:
        return []
    names = []
    for node in ast.walk(parse(test).tree):
        called = getattr(getattr(node, "func", None), "id", None) or getattr(getattr(node, "func", None), "attr", None)
        if isinstance(node, ast.Call) and called == READY_MADE:
            names += [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return list(dict.fromkeys(names))


def _found(
    cells: Sequence[Mapping[str, Any]],
    parsed: Callable[[], Mapping[int, ast.Module]],
    bindings: Callable[[], list[ast.stmt]],
    grade_id: str,
) -> Iterator[tuple[str, int, str]]:
    """Name, line and cell of each use in the answer above a test cell, and in what of the student's it reads."""
    place = next(number for number, cell in enumerate(cells) if notebook_cells.grade_id(cell) == grade_id)
    names = refused_names(notebook_cells.source(cells[place]))
    if not names:
        return
    trees = parsed()
    answer = _of_the_answer(cells, place, trees)
    uses = _Uses(names, bindings(), [statement for _, statement in answer])
    for number, statement in answer:
        label = notebook_cells.grade_id(cells[number]) or f"the added cell {cells[number]['id']}"
        for name, line in uses.of(statement):
            yield name, line, label


def _of_the_answer(
    cells: Sequence[Mapping[str, Any]], place: int, trees: Mapping[int, ast.Module]
) -> list[tuple[int, ast.stmt]]:
    """Statements of the answer cells next above a test cell, and those of the student that go with them.

    These are other parts of a split answer, what defines anew what an answer defines, and what binds what they read.
    """
    answers: list[int] = []
    for number in range(place - 1, -1, -1):
        role = notebook_cells.role(cells[number])
        if role == "test" and answers:
            break
        if role in ("solution", "manual"):
            answers.append(number)
    students = sorted(trees)
    names = {notebook_cells.grade_id(cells[number]) for number in answers}
    answers += [n for n in students if n not in answers and names & notebook_cells.parts(cells[n])]
    found = [(number, statement) for number in sorted(answers) for statement in trees[number].body]
    others = [(number, one) for number in students if number not in answers for one in trees[number].body]
    defined = set().union(*(_defined(one) for _, one in found))
    again = [
        pair
        for pair in others
        if pair[0] < place and notebook_cells.grade_id(cells[pair[0]]) is None and _defined(pair[1]) & defined
    ]
    found += again
    others = [pair for pair in others if pair not in again]
    wanted = set().union(*(reads(one) for _, one in found))
    while True:
        more = [pair for pair in others if not isinstance(pair[1], _IMPORTS) and bound_names(pair[1]) & wanted]
        if not more:
            return found
        found += more
        others = [pair for pair in others if pair not in more]
        wanted |= set().union(*(reads(one) for _, one in more))


def _defined(statement: ast.stmt) -> set[str]:
    """Functions and classes that a statement defines; a method as `Net.forward`, wherever it is given to its class."""
    if isinstance(statement, ast.Assign):
        names = {ast.unparse(one) for one in statement.targets if isinstance(one, (ast.Name, ast.Attribute))}
        return names if isinstance(statement.value, (ast.Name, ast.Attribute, ast.Lambda)) else set()
    if isinstance(statement, ast.ClassDef):
        methods = [one.name for one in statement.body if isinstance(one, ast.FunctionDef)]
        return {statement.name, *(f"{statement.name}.{name}" for name in methods)}
    if not isinstance(statement, ast.FunctionDef):
        return set()
    owners = [one for call in statement.decorator_list if isinstance(call, ast.Call) for one in call.args]
    return {f"{ast.unparse(one)}.{statement.name}" for one in owners} or {statement.name}


_IMPORTS = (ast.Import, ast.ImportFrom)
_BINDINGS = (*_IMPORTS, ast.Assign)


class _Uses:
    """Finds uses of names, given what the notebook's imports and plain assignments (`nodes`) call its modules."""

    def __init__(self, names: Sequence[str], nodes: Sequence[ast.stmt], answer: Sequence[ast.stmt]) -> None:
        self.names = names
        self.aliases: dict[str, set[str]] = {}
        imported = {
            name for one in answer for part in ast.walk(one) if isinstance(part, _IMPORTS) for name in bound_names(part)
        }
        own = {one.name for one in answer if isinstance(one, (ast.FunctionDef, ast.ClassDef))} - imported
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    path = alias.name if alias.asname else alias.name.split(".")[0]
                    self.aliases.setdefault(alias.asname or path, set()).add(path)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.aliases.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
        for _ in range(3):
            for node in (node for node in nodes if isinstance(node, ast.Assign)):
                paths = self._paths(node.value)
                for target in node.targets:
                    if paths and isinstance(target, ast.Name):
                        self.aliases.setdefault(target.id, set()).update(paths)
        for name in own:
            # The answer's own function, whatever another cell calls by this name.
            self.aliases.pop(name, None)

    def of(self, statement: ast.stmt) -> Iterator[tuple[str, int]]:
        """What of the names a statement uses, with the line."""
        # Outermost first, so that of `nn.functional.f` all is looked at.
        for node in ast.walk(statement):
            if isinstance(node, _IMPORTS):
                # Imported in the answer itself; an import elsewhere counts where its name is used.
                continue
            for name in self.names:
                if self._is(node, name):
                    yield name, node.lineno

    def _is(self, node: ast.AST, name: str) -> bool:
        last = name.rpartition(".")[2]
        if isinstance(node, (ast.Name, ast.Attribute)):
            if any(_matches(path, name) for path in self._paths(node)):
                return True
            if not isinstance(node, ast.Attribute) or last not in (node.attr, "*"):
                return False
            of_any = name.startswith("torch.Tensor.") and getattr(node.value, "id", "") not in ("self", "cls")
            return last == node.attr and (of_any or _opened(node.value))
        if isinstance(node, ast.Call) and _last_name(node.func) in _BY_TEXT:
            texts = [
                one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            code = _last_name(node.func) in ("exec", "eval")
            return any(_said(text, name, code) for text in texts)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _is_table(node.value):
            return isinstance(node.slice.value, str) and _said(node.slice.value, name, False)
        return False

    def _paths(self, node: ast.AST) -> set[str]:
        """Dotted names that an expression may stand for."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return {f"{path}.{node.attr}" for path in self._paths(node.value)}
        return set()


def _matches(path: str, name: str) -> bool:
    """The same last part in the same package counts: `torch.rms_norm` and `torch.nn.functional.rms_norm` are one."""
    package, _, last = name.rpartition(".")
    if last == "*":
        return path.startswith(f"{package}.")
    return path.split(".")[0] == name.split(".")[0] and path.rpartition(".")[2] == last and "." in path


def _said(text: str, name: str, code: bool) -> bool:
    package, _, last = name.rpartition(".")
    if last == "*":
        return package in text
    return last in text if code else text.rpartition(".")[2] == last


def _last_name(node: ast.AST) -> str:
    return getattr(node, "id", None) or getattr(node, "attr", None) or ""


def _is_table(node: ast.AST) -> bool:
    called = _last_name(node.func) if isinstance(node, ast.Call) else ""
    return _last_name(node) in _TABLES or called in ("vars", "globals")


def _opened(node: ast.AST) -> bool:
    """Whether an expression begins with something that gets at a module by a text."""
    while True:
        if isinstance(node, ast.Call):
            if _last_name(node.func) in _OPENERS:
                return True
            node = node.func
        elif isinstance(node, ast.Subscript):
            if _is_table(node.value):
                return True
            node = node.value
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return False
