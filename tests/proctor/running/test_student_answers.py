"""What code under test can find out about a question: the values that it was given, and nothing that names them.

The submission of these tests dumps all that it can reach, before the question and while it is asked, and gives it back
as its answer. Public and hidden questions are asked as the engine asks them.
"""

import re

import pytest

from dl1.contract import protocol
from proctor.checking.questions import question
from proctor.notebooks.checked_cells import read_cell
from proctor.running.session import Cell, StudentSession
from proctor.sandbox.bubblewrap import Sandbox, availability
from proctor.sandbox.limits import Limits

pytestmark = pytest.mark.skipif(availability() is not None, reason=f"no sandbox here: {availability()}")
LIMITS = Limits(memory_bytes=900 * 2**20, probe_cpu_seconds=60, probe_wall_seconds=120, restarts=1)

# Whatever has zanzibar in it is nothing that a submission may read.
TEST_CELL = '''
from __future__ import annotations
import math as zanzibar_import_public
from dl1 import check_equal as zanzibar_check_name, check_equal, probe


class Double:
    """zanzibar docstring of a double"""
    def forward(self, x):
        zanzibar_local_of_double = x
        return zanzibar_local_of_double


@probe(given={"Norm": Double})
def zanzibar_public_probe(zanzibar_parameter, zanzibar_default: zanzibar_annotation = 3, *, zanzibar_keyword) -> str:
    """zanzibar docstring"""
    # zanzibar comment
    zanzibar_local = [zanzibar_element for zanzibar_element in (1, 2)]

    def zanzibar_inner(zanzibar_inner_parameter):
        "zanzibar inner docstring"
        return zanzibar_inner_parameter

    return zanzibar_inner(answer(zanzibar_parameter))


check_equal(zanzibar_public_probe(1.5, zanzibar_keyword=2), "zanzibar expected", name="zanzibar name of a check")
### BEGIN HIDDEN TESTS
import itertools as zanzibar_import_hidden


@probe
def zanzibar_hidden_probe(zanzibar_hidden_parameter):
    """zanzibar hidden docstring"""
    zanzibar_hidden_local = answer(zanzibar_hidden_parameter)
    return zanzibar_hidden_local


check_equal(zanzibar_hidden_probe(1.5), "zanzibar hidden expected", name="zanzibar hidden name of a check")
### END HIDDEN TESTS
'''
# Installed while the notebook runs: what is called later reports here.
SPIES = """
import builtins, gc, inspect, json, linecache, os, sys, threading, traceback, types
import torch, dl1.contract.probe
seen = {}
ours = ("<cell>", "student_probes", "student_answers")

def note(*things):
    for thing in things:
        if isinstance(thing, (str, bytes, int, float, type(None))):
            seen[str(thing)[:3000]] = 1
        elif isinstance(thing, (tuple, list, set, frozenset)) and len(thing) < 50:
            note(*thing)
        elif isinstance(thing, dict) and len(thing) < 50:
            note(*thing, *thing.values())
        else:
            seen[type(thing).__name__] = 1

def code_words(code):
    note(code.co_name, code.co_names, code.co_varnames, code.co_filename, code.co_firstlineno, code.co_cellvars)
    for constant in code.co_consts:
        code_words(constant) if isinstance(constant, types.CodeType) else note(constant)

def every_frame():
    for top in (sys._getframe(), *sys._current_frames().values()):
        while top is not None:
            yield top
            top = top.f_back

def trace(frame, event, argument):
    if any(one in frame.f_code.co_filename for one in ours):
        seen["traced"] = 1
        code_words(frame.f_code)
        note(dict(frame.f_locals), argument)
    return trace

reporting = []

def audit(event, arguments):
    if reporting or event not in ("exec", "compile", "os.fork"):
        return
    if event == "exec" and os.path.exists(arguments[0].co_filename):
        return
    reporting.append(1)
    if any(one in str(frame.f_code.co_filename) for frame in every_frame() for one in ours):
        seen["audited"] = 1
        note(event, arguments)
        for argument in arguments:
            if isinstance(argument, types.CodeType):
                code_words(argument)
        for frame in every_frame():
            note(dict(frame.f_locals))
    reporting.clear()

def spied(function):
    def spy(*args, **kwargs):
        note("spied", args, kwargs)
        return function(*args, **kwargs)
    return spy
"""
INSTALLED = """
sys.addaudithook(audit)
sys.settrace(trace)
sys.setprofile(trace)
threading.settrace(trace)
threading.setprofile(trace)
os.register_at_fork(after_in_child=lambda: (sys.settrace(trace), sys.setprofile(trace)))
json.loads = spied(json.loads)
builtins.exec, builtins.compile = spied(builtins.exec), spied(builtins.compile)

class Loads:
    def find_spec(name, path=None, target=None):
        if name.startswith("dl1."):
            note(f"loaded by {os.getpid()}")

sys.modules.pop("dl1.contract.unfinished", None)
sys.meta_path.insert(0, Loads)
"""
ANSWER = """
class Norm:
    pass

def answer(x):
    sys.settrace(None); sys.setprofile(None)
    reporting.append(1)
    depth, frame = 0, sys._getframe().f_back
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    files = sorted({frame.f_code.co_filename for frame in every_frame()})
    for frame in every_frame():
        code_words(frame.f_code)
        note(dict(frame.f_locals), linecache.getline(frame.f_code.co_filename, frame.f_lineno))
    note(traceback.format_stack(), sys.exc_info(), sorted(linecache.cache), sorted(globals()), Norm.__doc__)
    code_words(Norm.forward.__code__) if hasattr(Norm, "forward") else None
    try:
        note(inspect.getsource(sys._getframe().f_back))
    except OSError:
        note("no source")
    note(f"loaded before: {f'loaded by {os.getppid()}' in seen}, in the fork: {f'loaded by {os.getpid()}' in seen}")
    word = "rabiznaz"[::-1]
    for one in gc.get_objects():
        if isinstance(one, types.FunctionType) and one.__code__.co_filename == "<cell>":
            code_words(one.__code__)
        elif isinstance(one, (list, tuple, set, dict)) and one is not seen:
            for part in (*one, *(one.values() if isinstance(one, dict) else ())):
                if isinstance(part, (str, bytes)) and word in str(part).lower():
                    note("in the heap", part)
    return [depth, files, list(seen)]
"""


@pytest.fixture(scope="module")
def session():
    cells = [
        *(Cell(f"cell {i}", None, "run", source) for i, source in enumerate((SPIES, ANSWER, INSTALLED))),
        Cell("q1", "q1", "test", ""),
    ]
    one = StudentSession(cells, lambda mounts: Sandbox("bwrap", LIMITS, mounts), LIMITS, seed=1)
    yield one
    one.close()


@pytest.fixture(scope="module")
def dumps(session):
    outcomes = session.run()
    assert [o.outputs for o in outcomes if not o.ok] == []
    probes = {name: probe for (name, _), probe in read_cell(TEST_CELL).probes.items()}
    arguments = {"zanzibar_public_probe": {"_0": 1.5, "_2": 2}, "zanzibar_hidden_probe": {"_0": 1.5}}
    found = {}
    for name, probe in probes.items():
        header, body = session.ask("q1", question(probe, seed=3), protocol.encode(((), arguments[name])))
        assert header == {"ok": True}
        found[name] = protocol.decode(body)
    return found


NAMES = ["zanzibar_public_probe", "zanzibar_hidden_probe"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_names_the_question_is_reachable(dumps, name):
    _, _, seen = dumps[name]
    # The spies were at work, and saw the probe.
    assert {"audited", "<cell>", "_", "_0"} <= set(seen)
    assert [one for one in seen if "zanzibar" in one.lower() or "hidden" in one.lower()] == []
    # Nor does a function of a library that the submission has replaced get the question.
    assert [one for one in seen if '"cpu_seconds"' in one] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is_asked_with_is_loaded_once_for_all_questions_of_a_place(dumps, name):
    _, _, seen = dumps[name]
    assert "loaded before: True, in the fork: False" in seen


@pytest.mark.parametrize("name", NAMES)
def test_no_frame_of_the_engine_is_there(dumps, name):
    depth, files, _ = dumps[name]
    assert depth == 1
    assert "<cell>" in files
    assert [one for one in files if one != "<cell>" and not one.startswith("<ipython-input")] == []


def test_what_an_audit_hook_sees_of_two_questions_of_a_probe_differs_in_their_values_alone(session, dumps):
    """So that it can't tell a public question from a hidden one, whatever it reads in the engine's own frames."""
    (probe,) = [one for (name, _), one in read_cell(TEST_CELL).probes.items() if name == "zanzibar_public_probe"]
    seen = []
    for value in (12.25, 31.75):
        header, body = session.ask("q1", question(probe, seed=3), protocol.encode(((), {"_0": value, "_2": 2})))
        assert header == {"ok": True}
        seen.append(set(protocol.decode(body)[2]))
    # The hook was in the function that has the question.
    assert all("audited" in one and any("cpu_seconds" in word for word in one) for one in seen)
    own = [{"12.25", (12.25).hex()}, {"31.75", (31.75).hex()}]
    for words, others, values in zip(seen, reversed(seen), own, strict=True):
        left = {word for word in words - others if not any(value in word for value in values)}
        # How many seconds an answer may take is what is left of the time, and descriptors have numbers. What it has
        # answered before a submission may know; here these are dumps, with the names of its cells.
        assert [word for word in left if not re.fullmatch(r"[\d.]+", word) and "<ipython-input-" not in word] == []
