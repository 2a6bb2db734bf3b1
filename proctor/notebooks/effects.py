"""What running code as a cell needs of the notebook, and what it changes in it, as far as the text tells.

Where the text can't tell, because names are put together at run time, `hidden_names` says so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from proctor.notebooks.code import Code, bound_names, reads_at_once, reads_later

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
# Methods that change what they are called on, and functions that change the module or the process that they belong to.
_CHANGING = re.compile(
    r"append|appendleft|extend|insert|add|update|setdefault|pop|popleft|popitem|remove|discard|clear|sort|reverse"
    r"|__setitem__|__delitem__|__setattr__|load_state_dict|train|eval|[^_].*[^_]_"
    r"|set(_?[a-z]\w*)?|use|use_\w+|rc|rcdefaults|filterwarnings|simplefilter|resetwarnings|basicConfig|disable"
    r"|chdir|putenv|unsetenv|reload|register\w*"
)
_CHANGING_FIRST = frozenset({"setattr", "delattr", "next"})
_SEEDING = re.compile(r"(manual_)?seed(_all)?|set_rng_state")
_DRAWING = re.compile(
    r"rand|randn|randint|randperm|rand_like|randn_like|randint_like|random|multinomial|bernoulli|normal|shuffle|choice"
    r"|choices|sample|(uniform|normal|bernoulli|(xavier|kaiming)_(uniform|normal))_"
)
_WRITING = re.compile(
    r"write_text|write_bytes|savefig|imsave|save|savez|dump|to_csv|to_json|to_pickle|mkdir|makedirs|touch|unlink|rename"
)
# By these, code gets at names of the notebook that don't stand in its text: built-in functions, and the rest.
_HIDING = frozenset({"globals", "locals", "vars", "eval", "exec", "compile", "dir", "get_ipython", "import_module"})
_HIDDEN = re.compile(
    r"__main__|builtins|__builtins__|__import__|user_ns|user_global_ns|_getframe|currentframe|[fg]i?_?(globals|locals)"
    r"|__globals__|__dict__"
)
# What IPython keeps of earlier cells: `_`, `_3`, `Out`, `In`.
_HISTORY = re.compile(r"In|Out|_{1,3}|_\d+|_i+|_i\d+|_ih|_oh|_dh")
_PYTHON_MAGICS = ("%%time", "%%capture")


def needs(tree: ast.Module) -> set[str]:
    """Names that a cell takes from the notebook, at once or when its functions are called.

    What it has bound before it reads it at once is its own; when a function is called, another cell may have bound the
    name anew.
    """
    return _taken(tree.body, set()) | reads_later(tree)


def changes(tree: ast.Module) -> set[str]:
    """Names of the notebook that a cell binds, deletes, or whose objects or modules it changes."""
    return bound_names(tree) | _bound_besides(tree) | changed_objects(tree)


def changed_objects(tree: ast.Module) -> set[str]:
    """Names of the notebook whose objects or modules a cell changes."""
    return {name for name, _ in _changed(tree)}


def changes_later(tree: ast.Module) -> set[str]:
    """Names of the notebook that functions of a cell bind or change when they are called."""
    inner = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    declared = {
        name for node in inner for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names
    }
    return declared | {name for name, later in _changed(tree) if later}


def hidden_names(code: Code, source: str) -> bool:
    """Whether code may use names of the notebook that don't stand in its text, or what IPython keeps of other cells."""
    if code.magics and not (code.magics == [1] and source.lstrip().startswith(_PYTHON_MAGICS)):
        return True
    return any(_hides(node) for node in ast.walk(code.tree))


def _hides(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        read = isinstance(node.ctx, ast.Load) and bool(_HISTORY.fullmatch(node.id))
        return read or node.id in _HIDING or bool(_HIDDEN.fullmatch(node.id))
    if isinstance(node, ast.Attribute):
        of_sys = node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys"
        return of_sys or node.attr == "import_module" or bool(_HIDDEN.fullmatch(node.attr))
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = {f"{getattr(node, 'module', None) or ''}.{alias.name}" for alias in node.names}
        return ("sys.modules" in names) or any(_HIDDEN.fullmatch(part) for name in names for part in name.split("."))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_HIDDEN.fullmatch(node.value))


def imports_everything(tree: ast.Module) -> bool:
    """Whether it binds names that nobody can see in its text, by `from … import *`."""
    return any(alias.name == "*" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names)


def imported(tree: ast.Module) -> dict[str, str]:
    """What each name stands for that a cell imports at its top level: "torch.nn" for `import torch.nn as nn`."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
            found |= {alias.name.split(".")[0]: alias.name for alias in node.names if not alias.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def seeds(tree: ast.AST) -> bool:
    """Whether it sets the state of random numbers that all cells share."""
    return any(_called(node, _SEEDING) for node in ast.walk(tree))


def draws_at_once(tree: ast.Module) -> bool:
    """Whether a cell draws random numbers that all cells share when it runs, without seeding them first."""
    for node in _outside_functions(tree):
        if _called(node, _SEEDING):
            return False
        if _called(node, _DRAWING) and not any(keyword.arg == "generator" for keyword in node.keywords):
            return True
    return False


def writes_files(tree: ast.AST) -> int | None:
    """Line in which it writes a file; None if it writes none, as far as the text tells."""
    for node in ast.walk(tree):
        if _called(node, _WRITING) or (_called(node, re.compile("open")) and _mode(node) & set("wax+")):
            return node.lineno
    return None


def _mode(call: ast.Call) -> set[str]:
    # `open` has the path first, the method of a path has not.
    place = 1 if isinstance(call.func, ast.Name) else 0
    given = [*call.args[place : place + 1], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return set(texts[-1]) if texts and set(texts[-1]) <= set("rwaxbt+") else set()


def _called(node: ast.AST, pattern: re.Pattern[str]) -> bool:
    return isinstance(node, ast.Call) and bool(pattern.fullmatch(_name_of(node.func) or ""))


def _name_of(node: ast.AST) -> str | None:
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _taken(body: list[ast.stmt], bound: set[str]) -> set[str]:
    """What statements read at once and none above them has bound for certain; `bound` grows by what they bind."""
    found: set[str] = set()

    def read(*nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                statement = ast.Expr(node) if isinstance(node, ast.expr) else node
                found.update(reads_at_once(ast.Module([statement], [])) - bound)

    for node in body:
        if isinstance(node, (ast.For, ast.AsyncFor)):
            read(node.iter)
            found |= _taken(node.body, bound | _targets(node.target)) | _taken(node.orelse, set(bound))
        elif isinstance(node, ast.While):
            read(node.test)
            found |= _taken(node.body, set(bound)) | _taken(node.orelse, set(bound))
        elif isinstance(node, ast.If):
            read(node.test)
            ends = [set(bound), set(bound)]
            found |= _taken(node.body, ends[0]) | _taken(node.orelse, ends[1])
            bound |= ends[0] & ends[1]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                read(item.context_expr)
                bound |= _targets(item.optional_vars)
            # It may be left by an exception that the context manager takes.
            found |= _taken(node.body, set(bound))
        elif isinstance(node, (ast.Try, ast.TryStar)):
            found |= _taken(node.body, inside := set(bound)) | _taken(node.orelse, inside)
            for handler in node.handlers:
                read(handler.type)
                found |= _taken(handler.body, bound | ({handler.name} if handler.name else set()))
            found |= _taken(node.finalbody, bound)
        else:
            read(node)
            if isinstance(node, ast.Delete):
                bound -= _targets(*node.targets)
            elif not isinstance(node, (ast.Match, ast.Expr)):
                bound |= bound_names(ast.Module([node], []))
    return found


def _targets(*nodes: ast.AST | None) -> set[str]:
    return {
        part.id
        for node in nodes
        if node is not None
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)
    }


def _bound_besides(tree: ast.Module) -> set[str]:
    """What `bound_names` counts as read: `x += 1` and `del x`, of the cell itself or under `global`."""
    found = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.AugAssign):
            found |= _targets(node.target)
        elif isinstance(node, ast.Delete):
            found |= _targets(*node.targets)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found |= set(node.names)
    return found


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run when the cell does, in the order of the text."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _FUNCTIONS):
            continue
        yield node
        yield from _outside_functions(node)


def _changed(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Names of the notebook whose objects are changed, and whether that is when a function is called."""
    # What is imported is shared by all cells, whichever name it has here.
    own = bound_names(tree) - set(imported(tree))

    def within(node: ast.AST, local: set[str], later: bool) -> Iterator[tuple[str, bool]]:
        for part in ast.iter_child_nodes(node):
            if isinstance(part, _SCOPES):
                inner = isinstance(part, _FUNCTIONS)
                yield from within(part, local | _locals(part), later or inner)
                continue
            for changed in _changed_by(part):
                root = _root(changed)
                if root is not None and root not in local and (later or root not in own):
                    yield root, later
            yield from within(part, local, later)

    yield from within(tree, set(), False)


def _changed_by(node: ast.AST) -> Iterator[ast.expr]:
    """Objects that a statement or an expression changes, as the expressions that stand for them."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Call):
        name = _name_of(node.func) or ""
        if isinstance(node.func, ast.Attribute) and _CHANGING.fullmatch(name) and not _SEEDING.fullmatch(name):
            yield node.func.value
        elif isinstance(node.func, ast.Name) and name in _CHANGING_FIRST and node.args:
            yield node.args[0]


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _locals(scope: ast.AST) -> set[str]:
    """Names of a function's or a class's own."""
    names, shared = set(), set()
    arguments = getattr(scope, "args", None)
    if isinstance(arguments, ast.arguments):
        names |= {part.arg for part in ast.walk(arguments) if isinstance(part, ast.arg)}
    body = scope.body if isinstance(scope.body, list) else [ast.Expr(scope.body)]
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            shared |= set(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            names.add(node.name)
        if isinstance(node, _SCOPES):
            names |= {node.name} if not isinstance(node, ast.Lambda) else set()
        else:
            waiting += ast.iter_child_nodes(node)
    return names - shared
