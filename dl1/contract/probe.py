"""``@probe``: the part of a check that runs beside the student's code, and its form for a student's own notebook.

The contract is in :mod:`dl1.contract.protocol`. Here both ends are one process: arguments, results and doubles are
treated exactly as if they crossed to another one, so that what passes in a notebook passes under grading.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from dl1.contract import protocol
from dl1.contract.own_frames import shown_without_own_frames
from dl1.contract.own_names import doubles_with_names, own_names, with_names
from dl1.contract.sealed_hints import note_answer
from dl1.contract.settings import first_settings
from dl1.contract.unfinished import explained
from dl1.errors import CourseError

_ABSENT = object()


class Probe:
    """A function whose body runs beside the student's code; made by :func:`probe`.

    Attributes:
        function: the undecorated function; a grading engine never calls it but sends its source.
        given: test doubles by the interface name, or ``"Class.attribute"``, that each of them replaces.
    """

    def __init__(self, function: Callable, given: dict[str, Any]) -> None:
        if not isinstance(function, types.FunctionType):
            raise CourseError(
                f"a {type(function).__name__} can't be a probe: write @probe or @probe(given={{...}}) above a function"
            )
        if function.__code__.co_freevars:
            names = ", ".join(function.__code__.co_freevars)
            raise CourseError(f"the probe {function.__name__} uses {names} of the code around it: pass it as argument")
        # Three kinds, none of them the other: async def with a yield is no coroutine function.
        kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        if any(kind(function) for kind in kinds):
            raise CourseError(f"the probe {function.__name__} has to be a plain function that returns its data")
        self.function = function
        self.given = dict(given)
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return (protocol.transport() or run_here)(self, args, kwargs)


def probe(function: Callable | None = None, *, given: dict[str, Any] | None = None) -> Any:
    """Turns a function of a test cell into a probe: ``@probe`` or ``@probe(given={"RMSNorm": Double})``.

    Args:
        given: what stands in place of an earlier answer while the probe runs (follow-through marking). The code under
            test has to find it by that name when it runs, as ``RMSNorm(...)`` or ``self.method(...)``.

    Raises:
        CourseError: the function is a closure, a generator or a coroutine.
        ProtocolError: on a call, if an argument or the result may not cross.
    """
    if function is None:
        return lambda f: Probe(f, given or {})
    return Probe(function, {})


def run_here(probe: Probe, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The transport of a student's notebook: this process, with copies, type checks and doubles as in any other.

    Raises:
        NotImplementedError: the code under test is not finished; its text names the unfinished part.
        CourseError: a name that the notebook promises doesn't exist yet.
        Exception: whatever the student's code raises, with the student's own frames.
    """
    arguments, keywords = protocol.decode(protocol.encode((tuple(args), kwargs)))
    namespace = probe.function.__globals__
    # The generators of other devices are left alone until they are in use: seeding one that isn't would be remembered.
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with contextlib.ExitStack() as around:
        around.enter_context(explained())
        around.enter_context(shown_without_own_frames())
        names = own_names(namespace)
        doubles = around.enter_context(doubles_with_names(probe.given, namespace, names))
        around.enter_context(doubles_in_place(namespace, doubles))
        names.update({path: double for path, double in doubles.items() if "." not in path})
        around.enter_context(torch.random.fork_rng(devices=devices))
        around.enter_context(first_settings())
        # Text on stderr in a test cell costs all its points under stock nbgrader; a warning is no mistake.
        around.enter_context(contextlib.redirect_stderr(sys.stdout))
        seed = protocol.seed(f"probe {probe.__name__}")
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        note_answer(None)
        try:
            result = with_names(probe.function, names)(*arguments, **keywords)
        except NameError as error:
            if error.name in _names(probe.function.__code__) and error.name not in namespace:
                raise CourseError(f"there is no `{error.name}` yet: run the cells above this one first") from None
            raise
        answer = protocol.decode(protocol.encode(result))
        note_answer(answer)
        return answer


@contextlib.contextmanager
def doubles_in_place(namespace: dict[str, Any], given: dict[str, Any]) -> Iterator[None]:
    """Puts doubles into a namespace, and into the modules that define what they replace, for the time of a block.

    Args:
        namespace: globals of the notebook.
        given: doubles by name or ``"Class.attribute"``.

    Raises:
        CourseError: the class of a ``"Class.attribute"`` doesn't exist, or its name stands for something else.
    """
    with contextlib.ExitStack() as undo:
        for path, double in given.items():
            name, _, attribute = path.partition(".")
            original = namespace.get(name, _ABSENT)
            if attribute:
                if original is _ABSENT:
                    raise CourseError(f"there is no `{name}` yet: run the cells above this one first")
                if not isinstance(original, type):
                    raise CourseError(f"`{name}` is no class any more: run the cell that defines it, then this one")
                undo.callback(_restore_attribute, original, attribute, vars(original).get(attribute, _ABSENT))
                setattr(original, attribute, double)
                continue
            for place in _places(namespace, name, original):
                undo.callback(_restore_name, place, name, original)
                place[name] = double
        yield


def _names(code: types.CodeType) -> set[str]:
    """Names that a function, or one inside it, looks up outside itself."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _places(namespace: dict[str, Any], name: str, original: Any) -> list[dict[str, Any]]:
    """Namespaces that bind the name to the original: the notebook's, and that of the module it was exported to."""
    home = sys.modules.get(getattr(original, "__module__", None) or "")
    if home is None or vars(home) is namespace or vars(home).get(name) is not original:
        return [namespace]
    return [namespace, vars(home)]


def _restore_name(namespace: dict[str, Any], name: str, original: Any) -> None:
    if original is _ABSENT:
        namespace.pop(name, None)
    else:
        namespace[name] = original


def _restore_attribute(owner: Any, name: str, original: Any) -> None:
    if original is not _ABSENT:
        setattr(owner, name, original)
    elif name in vars(owner):
        delattr(owner, name)
