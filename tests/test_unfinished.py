import pytest

from dl1 import told_if_unfinished
from dl1.unfinished import explained, unfinished_part


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
