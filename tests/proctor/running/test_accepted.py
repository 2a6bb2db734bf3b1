"""What is accepted of the words of a sandbox."""

import pytest

from proctor.running.accepted import add_output, safe_path


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "runs/../../x", "a/b.py", "x.txt", ".x.py", "runs/a\nb", "", 3, "runs\\x", "r" * 300 + ".py"])  # fmt: skip  # noqa: E501
def test_names_of_results_that_are_refused(name):
    assert safe_path(name) is None


def test_forged_outputs_are_dropped_or_cut_to_form():
    outputs = []
    forged = [
        None,
        3,
        {},
        {"output_type": "stream", "name": "x", "text": "a"},
        {"output_type": "stream", "name": "stdout", "text": 3},
    ]
    for output in [*forged, {"output_type": "error", "traceback": "x"}, {"output_type": "display_data", "data": []}]:
        add_output(outputs, output)
    assert outputs == []
    add_output(
        outputs, {"output_type": "execute_result", "data": {}, "metadata": {"x": 1}, "execution_count": 1e99, "more": 1}
    )
    assert outputs == [{"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": None}]
