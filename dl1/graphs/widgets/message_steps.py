"""Message passing step by step on a small graph, beside the matrix product: a figure with controls for the node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import torch

from dl1.errors import CourseError
from dl1.graphs.drawing import layout
from dl1.graphs.widgets.message_drawing import DPI, Steps, draw_step, make_figure, mean_line, vector
from dl1.notebook.pictured_steps import PicturedSteps
from dl1.notebook.runs import is_rerun

_MOST_NODES, _MOST_FEATURES = 8, 3
# Five nodes stand where the notebook's figure of its first graph has them, whatever edges the answer gives them.
_FIVE = ((-0.6, 0.15), (-0.6, -1.0), (0.6, -1.0), (0.0, 1.0), (0.6, 0.15))


class Advice:
    """A line of text in place of something that can't be shown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def message_steps(
    adjacency: Sequence[Sequence[int]], x: torch.Tensor, convolution: Any = None
) -> MessageSteps | Advice:
    """Message passing on a graph node by node, as what a cell displays.

    Args:
        adjacency: N lists of N zeros and ones, symmetric; at most eight nodes.
        x: features H, (N, d), at most three for each node.
        convolution: object or class with ``message(x, edge_index)`` -> (N, d), whose result is compared; with edges
            from source (row 0) to destination (row 1).

    Returns:
        The figure with its controls; where the matrix isn't an adjacency matrix, a line that says why.

    Raises:
        CourseError: x has another shape.
    """
    try:
        matrix = adjacency_of(adjacency)
    except CourseError as error:
        return Advice(f"Nothing to show yet: {error}.")
    return MessageSteps(matrix, x, convolution)


def adjacency_of(answer: Any) -> torch.Tensor:
    """An adjacency matrix (N, N), int64, from lists of rows.

    Raises:
        CourseError: it isn't square and symmetric with zeros and ones, or has a node with an edge to itself.
    """
    if not isinstance(answer, (list, tuple)) or not answer:
        raise CourseError(f"the adjacency matrix is {_described(answer)}: write it as a list of rows")
    nodes = len(answer)
    if nodes > _MOST_NODES:
        raise CourseError(f"the adjacency matrix has {nodes} rows: at most {_MOST_NODES} nodes can be drawn")
    for row, line in enumerate(answer):
        if not isinstance(line, (list, tuple)):
            raise CourseError(f"row {row} of the adjacency matrix is {_described(line)}: make each row a list")
        if len(line) != nodes:
            raise CourseError(f"row {row} of the adjacency matrix has {len(line)} numbers, but there are {nodes} rows")
        for column, entry in enumerate(line):
            if not isinstance(entry, (int, float)) or entry not in (0, 1):
                raise CourseError(f"row {row}, column {column} of the adjacency matrix is {entry!r}: write 0 or 1")
    for row in range(nodes):
        if answer[row][row]:
            raise CourseError(f"row {row}, column {row} is 1, but no node is its own neighbour")
        for column in range(row):
            if answer[row][column] != answer[column][row]:
                raise CourseError(
                    f"the adjacency matrix isn't symmetric: row {column}, column {row} is {answer[column][row]}, "
                    f"and row {row}, column {column} is {answer[row][column]}"
                )
    return torch.tensor(answer).long()


class MessageSteps(PicturedSteps):
    """Goes from node to node: as the last line of a cell it shows the figure with its controls.

    The output also holds the figure as an image, for prints and exports. Where nbgrader runs the notebook, the
    figure of the first node is all there is.

    Args:
        adjacency: (N, N), as from :func:`adjacency_of`.
        x: (N, d).
        convolution: as for :func:`message_steps`.

    Attributes:
        node: number of the node that hears its neighbours.

    Raises:
        CourseError: x has another shape.
    """

    def __init__(self, adjacency: torch.Tensor, x: torch.Tensor, convolution: Any = None) -> None:
        nodes = len(adjacency)
        if not isinstance(x, torch.Tensor) or x.ndim != 2 or len(x) != nodes or not 0 < x.shape[1] <= _MOST_FEATURES:
            shape = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise CourseError(
                f"x is {shape}: give a tensor ({nodes}, d) with a row for each node, d ≤ {_MOST_FEATURES}"
            )
        x = x.detach().cpu().float()
        degrees = adjacency.sum(1, keepdim=True)  # (N, 1)
        edges = adjacency.nonzero().T.flip(0)  # (2, E): entry (i, j) is an edge from j to i
        places = torch.tensor(_FIVE) if nodes == len(_FIVE) else layout(edges, nodes)
        self._steps = Steps(adjacency, x, places, adjacency.float() @ x / degrees.clamp(min=1))
        self._found, self._problem = (None, "") if convolution is None else _messages_of(convolution, x, edges)
        self.node = 0
        self._figure = make_figure()
        self._redraw()
        self.controls = None if is_rerun() else self._make_controls()

    def verdict(self) -> tuple[str, bool]:
        """What the student's message is for the present node, in words, and whether it is the mean."""
        if self._found is None:
            return self._problem, False
        # Means of at most seven float32 numbers.
        agrees = torch.allclose(self._found[self.node], self._steps.means[self.node], rtol=1e-4, atol=1e-4)
        end = "the same" if agrees else f"not {vector(self._steps.means[self.node])}"
        return f"your message for node {self.node}: {vector(self._found[self.node])}, {end}", agrees

    def alt_text(self) -> str:
        """The present step in words, for those who can't see the figure."""
        heard = self._steps.neighbours(self.node)
        whom = f"from nodes {', '.join(map(str, heard))}" if heard else "from nobody"
        words, _ = self.verdict()
        line = mean_line(self._steps, self.node)
        return f"Node {self.node} gets messages {whom}; {line}." + (f" {words}." if words else "")

    def _make_controls(self) -> ipywidgets.VBox:
        last = len(self._steps.adjacency) - 1
        described = {"description_width": "initial"}
        self.slider = ipywidgets.IntSlider(
            value=0, min=0, max=last, description="Node", style=described, layout={"width": "20em"}
        )
        play = ipywidgets.Play(
            value=0, min=0, max=last, interval=1500, show_repeat=False, tooltip="Step through all nodes"
        )
        # In the browser, so that playing goes on while the kernel draws.
        ipywidgets.jslink((play, "value"), (self.slider, "value"))
        self.previous = ipywidgets.Button(description="Previous", icon="arrow-left", layout={"width": "7.5em"})
        self.next = ipywidgets.Button(description="Next", icon="arrow-right", layout={"width": "7.5em"})
        self.picture = ipywidgets.HTML(value=self._img())
        self.previous.on_click(lambda _: self._go(-1))
        self.next.on_click(lambda _: self._go(1))
        self.slider.observe(self._changed, "value")
        wrapped = {"flex_flow": "row wrap", "align_items": "center"}
        row = ipywidgets.HBox([self.slider, self.previous, self.next, play], layout=wrapped)
        return ipywidgets.VBox([row, self.picture])

    def _changed(self, _: Any) -> None:
        self.node = self.slider.value
        self._redraw()
        self.picture.value = self._img()

    def _redraw(self) -> None:
        draw_step(self._figure, self._steps, self.node, *self.verdict())
        self._keep_picture(DPI)


@torch.no_grad()
def _messages_of(convolution: Any, x: torch.Tensor, edges: torch.Tensor) -> tuple[torch.Tensor | None, str]:
    """The student's messages, or None and the reason why there are none."""
    try:
        # Copies, because code that changes its input in place must not change what it is compared with.
        found = convolution.message(x.clone(), edges.clone())
        if not isinstance(found, torch.Tensor) or found.shape != x.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            return None, f"your message() gives {shape} in place of a tensor {tuple(x.shape)}"
        return found.detach().cpu().float(), ""
    except NotImplementedError:
        return None, "your message(): nothing yet"
    # The check of message() reports its errors in full.
    except Exception as error:
        return None, " ".join(f"your message() stopped with {type(error).__name__}: {error}".split())[:110]


def _described(value: Any) -> str:
    if value is None:
        return "None (is the return missing?)"
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:40] + ' …'}, a {type(value).__name__}"
