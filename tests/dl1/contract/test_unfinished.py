import subprocess
import sys
from pathlib import Path

import pytest

from dl1 import told_if_unfinished
from dl1.contract.unfinished import explained, unfinished_part

ROOT = Path(__file__).resolve().parents[3]


class Layer:
    def forward(self):
        raise NotImplementedError()

    def named(self):
        raise NotImplementedError("finish Question 2.6 first")


def plain():
    raise NotImplementedError


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (Layer().forward, "finish `Layer.forward` above first"),
        (plain, "finish `plain` above first"),
        (Layer().named, "finish Question 2.6 first"),
    ],
)
def test_the_unfinished_part_is_named_in_one_line(call, text):
    with pytest.raises(NotImplementedError) as caught, explained():
        call()
    assert type(caught.value) is NotImplementedError
    assert str(caught.value) == text
    assert caught.value._render_traceback_() == [f"NotImplementedError: {text}"]


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), explained():
        1 / 0  # noqa: B018
    with pytest.raises(ZeroDivisionError), told_if_unfinished():
        1 / 0  # noqa: B018


def test_a_text_of_its_own_is_kept_through_several_layers():
    with pytest.raises(NotImplementedError) as caught, explained(), explained():
        Layer().forward()
    assert str(caught.value) == "finish `Layer.forward` above first"
    assert caught.value.__suppress_context__


def test_a_subclass_becomes_a_plain_one_with_a_name():
    class Stub(NotImplementedError):
        pass

    def answer():
        raise Stub

    with pytest.raises(NotImplementedError, match="finish `answer` above first") as caught, explained():
        answer()
    assert type(caught.value) is NotImplementedError


def test_ipython_prints_one_line_without_frames():
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
shell.run_cell("from dl1 import check_equal, probe")
shell.run_cell("def answer():\\n    raise NotImplementedError()")
shell.run_cell("@probe\\ndef f():\\n    return answer()\\n@probe\\ndef g():\\n    return not_yet()")
for cell in ["f()", "g()", "check_equal(1, 2, name='one')"]:
    print("---")
    shell.run_cell(cell)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said = [part.strip() for part in found.stdout.split("---")][1:]
    # In a terminal, which draws no card, it is all text.
    shown, found_help, help_text = said.pop().partition("\n  help:     ")
    assert said == [
        "NotImplementedError: finish `answer` above first",
        "CourseError: there is no `not_yet` yet: run the cells above this one first",
    ]
    assert shown == "Check failed: one: wrong value\n  expected: 2\n  yours:    1"
    assert found_help
    assert "\n" not in help_text
    assert found.stderr == ""


def test_demos_print_what_is_missing_and_go_on(capsys):
    with told_if_unfinished():
        print("before")
        Layer().forward()
    assert capsys.readouterr().out == "before\nNothing to show yet: finish `Layer.forward` above first.\n"


def test_a_stub_at_top_level_has_no_name():
    with pytest.raises(NotImplementedError) as caught:
        exec(compile("raise NotImplementedError()", "<cell>", "exec"), {})
    assert unfinished_part(caught.tb) == "the answer"
    assert unfinished_part(None) == "the answer"
