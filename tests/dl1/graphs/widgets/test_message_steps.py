import base64
import io
import re

import pytest
import torch
from PIL import Image

from dl1.errors import CourseError
from dl1.graphs.widgets.message_drawing import Steps, draw_step, make_figure, mean_line, short
from dl1.graphs.widgets.message_steps import Advice, MessageSteps, adjacency_of, message_steps

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
HOUSE = [[0, 1, 0, 1, 1], [1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 1, 1, 0]]
X = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [4.0, 2.0], [3.0, 5.0]])


class Mean:
    @staticmethod
    def message(x, edge_index):
        sources, destinations = edge_index
        sums = torch.zeros_like(x).index_add(0, destinations, x[sources])
        return sums / torch.bincount(destinations, minlength=len(x)).clamp(min=1)[:, None]


class Sum:
    def message(self, x, edge_index):
        sources, destinations = edge_index
        return x.zero_().index_add(0, destinations, X[sources])


class Says:
    def __init__(self, answer):
        self.answer = answer

    def message(self, x, edge_index):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


@pytest.fixture
def steps(reader):
    return message_steps(HOUSE, X, Mean)


def picture(steps) -> bytes:
    return base64.b64decode(re.search(r"base64,([^\"]+)", steps.picture.value)[1])


def texts(figure, label):
    return [text.get_text() for text in figure.texts if text.get_label() == label]


def test_the_slider_goes_from_node_to_node(steps):
    before = picture(steps)
    assert before.startswith(b"\x89PNG")
    assert (steps.slider.min, steps.slider.max) == (0, 4)
    steps.slider.value = 1
    assert steps.node == 1
    assert picture(steps) != before
    assert "mean for node 1 = ((1, 0) + (0, 3)) / 2 = (0.5, 1.5)" in steps.picture.value
    steps.slider.value = 0
    assert picture(steps) == before


def test_the_buttons_stop_at_both_ends(steps):
    steps.previous.click()
    assert steps.node == 0
    steps.next.click()
    assert (steps.node, steps.slider.value) == (1, 1)
    steps.slider.value = 4
    steps.next.click()
    assert steps.node == 4


def test_the_own_message_agrees_on_every_node(steps):
    for node in range(5):
        steps.slider.value = node
        words, agrees = steps.verdict()
        assert agrees
        assert words.endswith("the same")


def test_another_message_is_shown_beside_the_mean(reader):
    steps = message_steps(HOUSE, X, Sum())
    steps.slider.value = 1
    assert steps.verdict() == ("your message for node 1: (1, 3), not (0.5, 1.5)", False)
    # Code that changes its input doesn't change what it is compared with.
    assert X[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NotImplementedError(), "your message(): nothing yet"),
        (ValueError("no\n good"), "your message() stopped with ValueError: no good"),
        (torch.ones(5), "your message() gives (5,) in place of a tensor (5, 2)"),
        (None, "your message() gives NoneType in place of a tensor (5, 2)"),
    ],
)
def test_a_message_that_does_not_work_is_a_line_in_the_figure(reader, answer, words):
    steps = message_steps(HOUSE, X, Says(answer))
    assert steps.verdict() == (words, False)
    assert words in steps.alt_text()


def test_without_a_convolution_nothing_is_said_about_it(reader):
    steps = message_steps(HOUSE, X)
    assert steps.verdict()[0] == ""
    assert steps.alt_text().endswith("(3, 2.67).")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "is the return missing"),
        ([], "write it as a list of rows"),
        ("01", "a str: write it as a list of rows"),
        ([0, 1], "row 0 of the adjacency matrix is 0, a int: make each row a list"),
        ([[0, 1], [1]], "row 1 of the adjacency matrix has 1 numbers, but there are 2 rows"),
        ([[0, 2], [2, 0]], "row 0, column 1 of the adjacency matrix is 2: write 0 or 1"),
        ([[0, "1"], [1, 0]], "is '1': write 0 or 1"),
        ([[0, 1], [0, 0]], "isn't symmetric: row 0, column 1 is 1, and row 1, column 0 is 0"),
        ([[1, 0], [0, 0]], "no node is its own neighbour"),
        ([[0] * 9] * 9, "at most 8 nodes"),
    ],
)
def test_what_is_no_adjacency_matrix_is_said_in_a_line(answer, words):
    shown = message_steps(answer, X)
    assert isinstance(shown, Advice)
    assert repr(shown).startswith("Nothing to show yet: ")
    assert words in repr(shown)
    with pytest.raises(CourseError):
        adjacency_of(answer)


@pytest.mark.parametrize("x", [torch.ones(4, 2), torch.ones(5), torch.ones(5, 4), [[1.0]] * 5])
def test_features_that_do_not_fit_are_refused(x):
    with pytest.raises(CourseError, match=r"give a tensor \(5, d\)"):
        message_steps(HOUSE, x)


def test_an_output_holds_the_widget_and_an_image_for_prints(steps):
    bundle, about = steps._repr_mimebundle_()
    assert bundle[WIDGET_VIEW]["model_id"] == steps.controls.model_id
    assert base64.b64decode(bundle["image/png"]) == picture(steps)
    assert about["image/png"]["alt"] == bundle["text/plain"] == steps.alt_text()


def test_without_a_reader_only_the_figure_is_left(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    alone = message_steps(HOUSE, X, Mean())
    assert alone.controls is None
    bundle, _ = alone._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_the_figure_shows_row_messages_and_result():
    adjacency = torch.tensor(HOUSE)
    steps = Steps(adjacency, X, torch.rand(5, 2), adjacency.float() @ X / adjacency.sum(1, keepdim=True))
    figure = make_figure()
    draw_step(figure, steps, 3, "verdict", True)
    graph, shares, features, result = figure.axes
    assert [text.get_text() for text in graph.texts if "(" in text.get_text()] == ["(1, 0)", "(3, 5)"]
    cells = [text.get_text() for text in shares.texts]
    assert cells[15:20] == ["1/2", "0", "0", "0", "1/2"]
    assert [text.get_text() for text in features.texts][:2] == ["1", "0"]
    # Rows up to the present one are filled in.
    assert [text.get_text() for text in result.texts][4:] == ["2.5", "3", "2", "2.5", "", ""]
    assert texts(figure, "verdict") == ["verdict"]
    assert texts(figure, "mean") == ["mean for node 3 = ((1, 0) + (3, 5)) / 2 = (2, 2.5)"]
    draw_step(figure, steps, 0, "", False)
    assert len(figure.axes) == 4


def test_a_node_alone_gets_zeros(reader):
    steps = MessageSteps(torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]), torch.ones(3, 1), Mean)
    steps.slider.value = 2
    assert "node 2 has no neighbours: its message is (0)" in steps.alt_text()
    assert steps.verdict()[1]
    steps.slider.value = 0
    assert mean_line(steps._steps, 0) == "mean for node 0 = (1) = (1)"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (-0.001, "0"), (2.0, "2"), (-1.5, "−1.5"), (10.0, "10"), (1 / 3, "0.33")]
)
def test_numbers_are_short(value, text):
    assert short(value) == text


def test_the_picture_has_the_size_that_the_page_reserves(steps):
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', steps.picture.value).groups())
    with Image.open(io.BytesIO(picture(steps))) as image:
        assert image.size == (width, height)
