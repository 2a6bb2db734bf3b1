"""The program beside the test cells: what passes, what fails and how, and what of it a student may read."""

import contextlib
import linecache
import platform
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from dl1.contract import protocol
from dl1.contract.probe import doubles_in_place
from proctor.catalogue import entries as catalogue
from proctor.catalogue import inprocess
from proctor.checking.checker import CellRun, count_checks
from proctor.checking.checker_process import Checker, checker_sandbox
from proctor.checking.questions import GradedCell, Times, run_checks
from proctor.notebooks import cells as notebook_cells
from proctor.notebooks.purposes import has_effect
from proctor.sandbox.bubblewrap import Mount, availability
from proctor.sandbox.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOK = ROOT / "source" / "assignment2" / "2a_gpt_components.ipynb"
HEAD = (
    "from dl1 import check_close, check_equal, check_raises, check_shape, check_true, generator, probe\nimport torch\n"
)
PROBE = "@probe\ndef double(x):\n    return f(x)\n"
HIDDEN = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS\n"


@pytest.fixture(scope="module")
def counts():
    """The counting checks, taken back afterwards."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "dl1"]
    before = [(module, dict(vars(module))) for module in modules]
    yield count_checks()
    for module, names in before:
        vars(module).update(names)


@pytest.fixture(autouse=True)
def _as_before():
    main, cache = sys.modules["__main__"], dict(linecache.cache)
    yield
    sys.modules["__main__"] = main
    linecache.cache.clear()
    linecache.cache.update(cache)
    protocol.use_transport(None)
    protocol.use_seed_key(None)


@pytest.fixture
def run(counts):
    """Runs a cell against a function (question, arguments) -> (header, body), and gives its verdict."""

    def run(source, answer, concealed=False):
        cell = CellRun("q1", source, answer, counts, concealed)
        for part in ("public", "hidden"):
            cell.run(part)
        return cell.result()

    return run


def gives(value):
    """A submission whose every answer is this value, or what this function makes of the arguments."""

    def answer(question, body):
        if not callable(value):
            return {"ok": True}, protocol.encode(value)
        _, arguments = protocol.decode(body)
        return {"ok": True}, protocol.encode(value(*arguments.values()))

    return answer


def raises(*names, text="its text"):
    return lambda question, body: ({"ok": False, "names": list(names), "text": text}, b"")


def outcome(result):
    return result["passed"], result["kind"], result["name"], result["hidden"]


def test_passes_when_every_statement_ran(run):
    source = (
        HEAD
        + PROBE
        + "check_equal(double(2), 4)\nprint('public')\n"
        + HIDDEN.format("assert double(3) == 6\nprint(42)")
    )
    result = run(source, gives(lambda x: 2 * x))
    assert outcome(result) == (True, "", "", False)
    assert result["printed"] == "public\n"
    assert "42" in result["staff_text"]


def test_question_names_the_probe_and_its_line(run):
    asked = []

    def answer(question, body):
        asked.append((question, protocol.decode(body)))
        return {"ok": True}, protocol.encode(1)

    run(HEAD + PROBE + "check_equal(double(2), 1)\ncheck_equal(double(x=2.5), 1)\n", answer)
    question = {"ask": "q1", "probe": "double", "line": 3, "seed": protocol.seed("probe double")}
    assert asked == [(question, ((), {"_0": 2})), (question, ((), {"_0": 2.5}))]


def test_public_failure_shows_everything(run):
    result = run(HEAD + PROBE + "check_equal(double(2), 4, name='twice', inputs={'x': 2})\n", gives(5))
    assert outcome(result) == (False, "wrong value", "twice", False)
    assert result["message"] == "twice: wrong value\n  expected: 4\n  yours:    5\n  input x: 2"


@pytest.mark.parametrize(
    "line",
    [
        "check_equal(double(2), 31337, name='twice')",
        "x = 31337; assert double(x) == x, f'{x}'",
        "raise ValueError(31337)",
        "print(31337); double(2)['31337']",
    ],
)
def test_hidden_failure_shows_name_and_kind_only(run, line):
    result = run(HEAD + PROBE + "check_equal(double(2), 5)\n" + HIDDEN.format(line), gives(5))
    assert (result["passed"], result["hidden"], result["message"]) == (False, True, "")
    assert "31337" in result["staff_text"]
    assert not any("31337" in result[key] for key in ("kind", "name", "printed"))


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ("check_close(double(2), torch.zeros(2, 3))", "wrong shape"),
        ("check_close(double(2), torch.zeros(1, 3))", ""),
        ("check_close(double(2), torch.zeros(1, 3).double())", "wrong dtype"),
        ("check_close(double(2), torch.ones(1, 3))", "wrong value"),
        ("check_close(double(2), [torch.zeros(1, 3)])", "wrong type"),
        ("assert double(2).sum() == 1", "failed"),
        ("assert double(2).sum() == 0", ""),
        ("double(2)[4]", "exception: IndexError"),
        ("double(2).absent", "exception: AttributeError"),
        ("raise SystemExit(0)", "exception"),
        ("exec('x = (')", "exception"),
    ],
)
def test_kinds_of_failure(run, check, kind):
    source = HEAD + PROBE + f"check_shape(double(2), (1, 3))\n{check}\n"
    # A shape that would broadcast to the expected one.
    result = run(source, gives(torch.zeros(1, 3)))
    assert (result["kind"], result["passed"]) == (kind, kind == "")


def test_nan_empty_and_broadcastable_answers_fail(run):
    source = HEAD + PROBE + "check_close(double(2), torch.ones(2, 3))\n"
    for answer, kind in [
        (torch.full((2, 3), float("nan")), "not finite"),
        (torch.empty(0), "wrong shape"),
        (torch.empty(0, 3), "wrong shape"),
        (torch.ones(1, 3), "wrong shape"),
        (torch.ones(()), "wrong shape"),
        (1.0, "wrong type"),
        (True, "wrong type"),
        (None, "wrong type"),
        ("ones", "wrong type"),
        ([], "wrong type"),
    ]:
        assert run(source, gives(answer))["kind"] == kind, answer


def nested(depth):
    return protocol.encode([]).replace(b'{"l": []}', b'{"l": [' * depth + b"]}" * depth)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"DLP1",
        b"\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        protocol.encode(5) + b"more",
        b"DLP1\x00\x00\x00\x0f" + b'{"v":' + b"[" * 10,
        b"DLP1" + (200_000).to_bytes(4, "big") + b"[" * 200_000,
        b'DLP1\x00\x00\x00\x15{"v": NaN, "b": [] }  ',
        bytes(10**6),
    ],
)
def test_an_answer_that_is_no_message_is_a_failure(run, body):
    # An `except Exception` of the check takes it neither for an error of the code under test nor for a value.
    source = HEAD + PROBE + "try:\n    check_equal(double(2), 5)\nexcept Exception:\n    check_equal(1, 1)\n"
    result = run(source, lambda question, arguments: ({"ok": True}, body))
    assert outcome(result) == (False, "wrong type", "call of `double`", False)


@pytest.mark.parametrize(
    "names", [("NotImplementedError", "RuntimeError"), ("Mine", "NotImplementedError", "ValueError")]
)
def test_unfinished_is_never_an_expected_error(run, names):
    source = HEAD + PROBE + "check_raises(lambda: double(2), RuntimeError, ValueError)\n"
    result = run(source, raises(*names, text="finish `Twice.forward` above first"))
    assert outcome(result) == (False, "not finished", "call of `double`", False)
    assert result["message"].endswith("not finished: finish `Twice.forward` above first")


def test_errors_of_the_submission(run):
    expected = HEAD + PROBE + "check_raises(lambda: double(2), ValueError, name='bad input')\n"
    assert run(expected, raises("ValueError", "Exception"))["passed"]
    assert run(expected, raises("Mine", "ValueError", "Exception"))["passed"]
    assert outcome(run(expected, raises("KeyError"))) == (False, "exception", "bad input", False)
    assert outcome(run(expected, gives(1))) == (False, "no exception", "bad input", False)
    plain = HEAD + PROBE + "check_equal(double(2), 4)\n"
    result = run(plain, raises("Mine", "IndexError", text="index 4"))
    assert outcome(result) == (False, "exception: IndexError", "call of `double`", False)
    assert "your code raised Mine: index 4" in result["message"]


def test_an_error_about_the_grading_machine_is_told_in_words(run):
    plain = HEAD + PROBE + "check_equal(double(2), 4)\n"
    for said in ("Found no NVIDIA driver on your system", "Could not run 'f' with arguments from the 'MPS' backend"):
        # The second one is a NotImplementedError, which is not a stub's.
        result = run(plain, raises("NotImplementedError", "RuntimeError", text=said))
        assert "it is graded on a CPU: use the device of the inputs" in result["message"]
        assert result["kind"] == "exception: RuntimeError"
        assert said in result["staff_text"]
        assert said not in result["message"]
        hidden = HEAD + PROBE + "check_equal(1, 1)\n" + HIDDEN.format("check_equal(double(2), 4)")
        assert run(hidden, raises("RuntimeError", text=said))["message"] == ""


def test_texts_of_the_submission_are_not_shown_for_hidden_checks(run):
    source = HEAD + PROBE + "check_equal(1, 1)\n" + HIDDEN.format("check_equal(double(2), 4)")
    result = run(source, raises("Leak31337", "Exception", text="x was 31337"))
    assert outcome(result) == (False, "exception", "call of `double`", True)
    assert not any("31337" in result[key] for key in ("kind", "name", "message", "printed"))
    assert "x was 31337" in result["staff_text"]


def test_name_of_a_hidden_probe_is_not_shown(run):
    source = HEAD + "check_equal(1, 1)\n" + HIDDEN.format(PROBE + "check_equal(double(2), 4)")
    assert run(source, raises("KeyError"))["name"] == "call of your code"


@pytest.mark.parametrize("wanted", ["TimeoutError", "Exception"])
def test_no_answer_in_time_is_never_an_expected_error(run, wanted):
    source = HEAD + PROBE + f"check_raises(lambda: double(2), {wanted})\n"
    result = run(source, lambda *_: ({"ok": False, "kind": "time-out", "text": "no answer within the time"}, b""))
    assert outcome(result) == (False, "time-out", "call of `double`", False)


def test_a_type_that_may_not_cross_is_told(run):
    source = HEAD + PROBE + "check_raises(lambda: double(2), Exception)\n"
    text = "the value is a builtins.set, which can't be checked"
    result = run(source, raises("ProtocolError", "CourseError", "Exception", text=text))
    assert (result["passed"], result["kind"]) == (False, "wrong type")
    assert text in result["message"]


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("double(2)\n", "without a single check"),
        ("if double(2) == 0:\n    check_equal(1, 1)\n", "without a single check"),
        ("try:\n    check_equal(double(2), 4)\nexcept AssertionError:\n    pass\n", "without a single check"),
        ("check_equal(double(2), 5)\n" + HIDDEN.format(""), "the hidden part"),
        ("check_equal(double(2), 5)\n" + HIDDEN.format("double(3)"), "the hidden part"),
        ("double(2)\n" + HIDDEN.format("check_equal(double(3), 5)"), ""),
    ],
)
def test_no_check_no_pass(run, source, note):
    result = run(HEAD + PROBE + source, gives(5))
    assert note in result["note"]
    assert result["passed"] is (note == "")
    assert result["kind"] == ("no verdict" if note else "")


@pytest.mark.parametrize(
    "source",
    [
        "from dl1.contract.checks import check_equal as same\nsame(double(2), 5)\n",
        "import dl1\ndl1.check_equal(double(2), 5)\n",
        "import dl1.contract.checks\ndl1.contract.checks.check_equal(double(2), 5)\n",
        "import functools\nfunctools.partial(check_equal, 5)(double(2))\n",
        "def compare(x):\n    check_equal(double(x), 5)\ncompare(2)\n",
        "def compare(x):\n    assert double(x) == 5\ncompare(2)\n",
    ],
)
def test_checks_are_counted_however_they_are_called(run, source):
    assert run(HEAD + PROBE + source, gives(5))["passed"]


def test_endless_output_is_cut(run):
    result = run(HEAD + PROBE + "check_equal(double(2), 5)\nfor _ in range(100):\n    print('x' * 10**5)\n", gives(5))
    assert result["passed"]
    assert len(result["printed"]) < 30_000


def test_a_mistake_of_the_test_is_told_to_staff(run):
    result = run(HEAD + PROBE + "check_equal(dubble(2), 5)\n", gives(5))
    assert "correct the test" in result["note"]
    assert "line 6" in result["note"]
    assert result["kind"] == "no verdict"
    result = run(HEAD + PROBE + "check_equal(double(2)['a'], 5)\n", gives(5))
    assert "answer or the test" in result["note"]


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        ("load_corpus('grimm', '/nowhere')", "no verdict"),
        ("open('/nowhere/data.txt')", "no verdict"),
        ("raise MemoryError", "no verdict"),
        ("import a_package_that_is_missing", "no verdict"),
        ("answer['a']", "exception: TypeError"),
        ("assert answer == 6", "failed"),
        ("check_equal(answer, 6)", "wrong value"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_what_a_check_itself_lacks_is_no_verdict_and_an_answers_fault_is_one(run, failing, kind, hidden):
    needs = "from dl1.errors import CourseError\ndef load_corpus(*names):\n    raise CourseError('no such book')\n"
    tail = HIDDEN.format(failing) if hidden else f"{failing}\n"
    result = run(HEAD + PROBE + needs + "answer = double(2)\ncheck_equal(answer, 5)\n" + tail, gives(5))
    assert (result["passed"], result["kind"]) == (False, kind)
    if kind == "no verdict":
        assert (result["message"], result["name"]) == ("", "")
        assert "has not what it needs" in result["note"]


def test_an_answer_can_not_say_that_the_checker_lacks_something(run):
    for name in ("OSError", "MemoryError", "ImportError", "CourseError"):
        result = run(HEAD + PROBE + "check_equal(double(2), 5)\n", raises(name, "Exception"))
        assert result["kind"].startswith("exception")


def test_lines_after_the_hidden_part_show_nothing_of_an_answer(run):
    source = HEAD + PROBE + HIDDEN.format("check_equal(double(2), 5)") + "print(double(2))\ncheck_equal(double(2), 6)\n"
    result = run(source, gives(5))
    assert (result["hidden"], result["printed"], result["message"]) == (True, "", "")


def test_a_concealed_run_shows_nothing_of_an_answer(run):
    result = run(HEAD + PROBE + "print(double(2))\ncheck_equal(double(2), 6, name='twice')\n", gives(5), concealed=True)
    assert outcome(result) == (False, "wrong value", "twice", True)
    assert (result["printed"], result["message"]) == ("", "")


def test_cell_is_a_module_of_its_own(run):
    source = "\n".join(
        [
            "from __future__ import annotations",
            *(HEAD, PROBE, "import dataclasses, inspect, sys"),
            *("@dataclasses.dataclass", "class Pair:", "    a: Later", "    b: int = 2"),
            "check_equal(Pair(1).b, 2)",
            "def known():\n    return 31",
            "check_true('31' in inspect.getsource(known), name='source')",
            "check_true(sys.modules['__main__'].known is known, name='main module')",
            "check_equal(double(2), 5)",
        ]
    )
    result = run(source, gives(5))
    assert result["passed"], result["staff_text"]
    # Nothing of one cell is there in the next.
    assert "NameError" in run(HEAD + PROBE + "known()\n", gives(5))["note"]


def test_random_numbers_repeat_and_depend_on_the_key(run):
    source = HEAD + PROBE + "import random\n"
    source += "numbers = [random.random(), torch.rand(()).item(), torch.rand((), generator=generator('x')).item()]\n"
    source += "check_true(double(numbers), name='answer')\n"
    drawn = []

    def answer(question, body):
        numbers = protocol.decode(body)[1]["_0"]
        drawn.append(numbers)
        return {"ok": True}, protocol.encode(True)

    for key in (b"one", b"one", b"two"):
        protocol.use_seed_key(key)
        assert run(source, answer)["passed"]
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])


@pytest.mark.parametrize("kind", ["none", "bwrap"])
def test_public_parts_run_before_the_first_hidden_one_and_a_death_costs_one_cell(kind):
    """In a process of its own. What a hidden probe shows must not come home by another cell's public text."""
    if kind == "bwrap" and availability():
        pytest.skip(availability())
    sandbox = checker_sandbox(kind, Limits())
    shown = []

    def ask(grade_id, header, body):
        shown.append((grade_id, "later" in header["source"]))
        if grade_id == "q3":
            return {"ok": False, "names": ["ValueError"], "text": f"stolen: {shown}"}, b""
        return {"ok": True}, protocol.encode(5)

    hidden = HIDDEN.format(PROBE.replace("double", "secret").replace("f(x)", "later(x)") + "check_equal(secret(2), 5)")
    # Warnings are no mistake, and no verdict comes by way of the output.
    noisy = "import warnings\nwarnings.warn('an old name')\nassert 'x' is 'x'\nprint('passed')\n"
    one = HEAD + PROBE + "check_equal(double(2), 5)\n" + noisy + hidden
    late = HEAD + PROBE.replace("double", "late") + "check_equal(late(2), 5)\n"
    dying = HEAD + PROBE + "double(1)\nimport os\nos._exit(0)\ncheck_equal(1, 1)\n"
    sources = {"q1": one, "q2": one, "q3": late, "q4": dying, "q5": one}
    started = []

    def start():
        started.append(Checker(sandbox))
        return started[-1]

    verdicts = run_checks([GradedCell(name, text) for name, text in sources.items()], ask, b"key", start, Times())
    assert {name: one.passed for name, one in verdicts.items()} == {
        **{"q1": True, "q2": True, "q3": False, "q4": False, "q5": True}
    }
    assert [name for name, is_hidden in shown[: shown.index(("q1", True))]] == [
        "q1",
        "q2",
        "q3",
        "q4",
        "q1",
        "q2",
        "q5",
    ]
    assert "an old name" in verdicts["q1"].student_text
    assert "stolen" in verdicts["q3"].student_text
    assert "later" not in verdicts["q3"].student_text
    assert "the checker died while it judged this cell" in verdicts["q4"].notes[0]
    assert "it ended with exit status 0" in verdicts["q4"].staff_text
    assert len(started) == 2


def submission(sources):
    """The namespace that the reference notebook leaves, with other text in some cells."""
    kept = []
    receiver = types.ModuleType("keep_namespace")
    receiver.keep = kept.append
    notebook = notebook_cells.read(NOTEBOOK)
    notebook["cells"].append(
        {"cell_type": "code", "metadata": {}, "source": "import keep_namespace\nkeep_namespace.keep(globals())"}
    )
    sys.modules["keep_namespace"] = receiver
    try:
        results = inprocess.run(
            notebook,
            sources=sources,
            cells=lambda cell: notebook_cells.role(cell) != "test" and has_effect(cell),
        )
    finally:
        del sys.modules["keep_namespace"]
    assert [result.message for result in results if not result.ok] == []
    return kept[0]


def defined(text, namespace):
    own = {}
    exec(text, namespace, own)
    return own.values()


def answering(namespace):
    """Answers questions in a namespace, in this process, as a student's process does."""

    def ask(grade_id, header, body):
        here = namespace
        before = dict(here)
        try:
            for text in header["imports"]:
                exec(text, here)
            (probe,), *doubles = ([*defined(text, here)] for text in (header["source"], *header["doubles"].values()))
            doubles = {path: double for path, (double,) in zip(header["doubles"], doubles, strict=True)}
            args, kwargs = protocol.decode(body)
            torch.manual_seed(header["seed"])
            with doubles_in_place(here, doubles), contextlib.redirect_stdout(None):
                result = probe(*args, **kwargs)
            if isinstance(result, Exception):
                raise result
            return {"ok": True}, protocol.encode(result)
        except Exception as error:
            return {"ok": False, "names": [one.__name__ for one in type(error).__mro__], "text": str(error)}, b""
        finally:
            here.clear()
            here.update(before)

    return ask


@pytest.mark.slow
def test_all_test_cells_of_2a_through_a_real_checker(tmp_path, monkeypatch):
    """The reference passes everything; a misconception of the catalogue loses exactly its own cells."""
    # The notebook exports a module into the current folder.
    monkeypatch.chdir(tmp_path)
    cells = [
        GradedCell(notebook_cells.grade_id(cell), notebook_cells.source(cell))
        for cell in notebook_cells.read(NOTEBOOK)["cells"]
        if notebook_cells.role(cell) == "test"
    ]
    assert len(cells) >= 15
    sandbox = checker_sandbox("none", Limits())
    verdicts = run_checks(cells, answering(submission({})), b"key", lambda: Checker(sandbox))
    assert {one.grade_id: one.staff_text for one in verdicts.values() if not one.passed} == {}
    assert all("the public checks pass" in one.student_text for one in verdicts.values())

    (wrong,) = [e for e in catalogue.load(ROOT / "misconceptions" / f"{NOTEBOOK.stem}.toml") if e.name == "rope-halves"]
    reference = notebook_cells.solution_cells(notebook_cells.read(NOTEBOOK))[wrong.cell]
    text = catalogue.apply(wrong, notebook_cells.source(reference))
    verdicts = run_checks(cells, answering(submission({wrong.cell: text})), b"key", lambda: Checker(sandbox))
    assert {name for name, one in verdicts.items() if not one.passed} == set(wrong.loses)
    assert {verdicts[name].kind for name in wrong.loses} == {"wrong value"}


def test_the_checker_sees_the_courses_data_and_knows_where_it_is(tmp_path):
    (tmp_path / "book.txt").write_text("once")
    sandbox = checker_sandbox("none", Limits(), [Mount(tmp_path, "/opt/data")], {"DL1_DATA": "/opt/data"})
    assert f"/opt/data  from {tmp_path}, read-only" in sandbox.mount_list()
    assert sandbox.environment["DL1_DATA"] == "/opt/data"
    assert not any("/opt/data" in line for line in checker_sandbox("none", Limits()).mount_list())


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="only glibc can be told so")
def test_memory_of_a_large_tensor_is_used_again():
    program = """
import resource
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(40 * 2**20)
before = faults()
for _ in range(5):
    bytearray(40 * 2**20)
print(faults() - before)
"""
    running = checker_sandbox("none", Limits()).start([sys.executable, "-I", "-S", "-c", program], (), subprocess.PIPE)
    try:
        # Five times new pages would be fifty thousand.
        assert int(running.process.communicate(timeout=60)[0]) < 1_000
    finally:
        running.kill()


def test_public_and_hidden_questions_of_a_probe_differ_in_their_arguments_alone(run):
    asked = []

    def answer(question, body):
        asked.append(question)
        return gives(lambda x: 2 * x)(question, body)

    hidden = "x = int(torch.randint(2, 9, (), generator=generator('x')))\ncheck_equal(double(x), 2 * x)\n"
    result = run(HEAD + PROBE + "check_equal(double(1), 2)\n" + HIDDEN.format(2 * hidden), answer)
    assert result["passed"]
    assert asked == 3 * [{"ask": "q1", "probe": "double", "line": 3, "seed": protocol.seed("probe double")}]
