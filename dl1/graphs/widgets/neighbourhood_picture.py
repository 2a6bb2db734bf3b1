"""A node and its neighbours as pictures: one to click, in the browser, and one for print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import torch
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from dl1.graphs.drawing import LINES, colour_of, draw_graph, ink_on, on_circle

_WEIGHT_LINE, _BETWEEN = "#5B6570", "#D5DADF"


@dataclass(frozen=True)
class Neighbourhood:
    """A node, those it hears from, and how much it listens to each.

    Attributes:
        node: its number.
        topic: its class.
        own: weight of its self-loop.
        neighbours: numbers, from the largest weight to the smallest.
        topics: their classes.
        weights: their weights.
        left_out: how many more there are, with smaller weights.
        left_out_weight: the sum of their weights.
        between: pairs of places in ``neighbours`` whose nodes are joined by an edge.
    """

    node: int
    topic: int
    own: float
    neighbours: tuple[int, ...]
    topics: tuple[int, ...]
    weights: tuple[float, ...]
    left_out: int
    left_out_weight: float
    between: tuple[tuple[int, int], ...]

    @property
    def even(self) -> float:
        """What each weight would be if all were equal, the self-loop included."""
        return 1 / (len(self.neighbours) + self.left_out + 1)

    def bars(self) -> list[tuple[int, int, float, str]]:
        """Number, class, weight and words for the node itself and each neighbour that is shown."""
        rows = [(self.node, self.topic, self.own, f"node {self.node} itself, class {self.topic}")]
        for number, topic, weight in zip(self.neighbours, self.topics, self.weights, strict=True):
            rows.append((number, topic, weight, f"node {number}, class {topic}"))
        return rows

    def caption(self) -> str:
        count = len(self.neighbours) + self.left_out
        words = "1 neighbour" if count == 1 else f"{count} neighbours"
        line = f"Node {self.node}, class {self.topic}: {words}, {self.own:.1%} of its attention on itself."
        if self.left_out:
            line += (
                f" Shown are the {len(self.neighbours)} with the largest weights; {self.left_out} left out "
                f"have {self.left_out_weight:.1%} together."
            )
        return line


def line_width(weight: float) -> float:
    """Width of an edge, proportional to its weight but for a rest that keeps it visible; the same at every node."""
    return 0.75 + 22 * weight


def places_of(count: int) -> torch.Tensor:
    """Places (1 + count, 2) of a node and its neighbours around it; the one at the top stays free for its self-loop."""
    return torch.cat([torch.zeros(1, 2, dtype=torch.float64), on_circle(count + 1)[1:]])


def draw_neighbourhood(shown: Neighbourhood) -> Figure:
    """The neighbourhood for print: edges as wide as their weights on the left, the weights as bars on the right."""
    count = len(shown.neighbours)
    rows = shown.bars()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.2, 5.2), layout="constrained", width_ratios=(1.15, 1))
    numbers = list(range(1, count + 1))
    arriving = [[0] * count, numbers]
    inner = [[first + 1 for first, _ in shown.between], [second + 1 for _, second in shown.between]]
    edges = torch.tensor([inner[0] + arriving[0], inner[1] + arriving[1]], dtype=torch.int64)
    # Around a node in the middle of a circle of radius 1.
    loop = Circle((0, 0.14), 0.12, fill=False, edgecolor=_WEIGHT_LINE, linewidth=line_width(shown.own), zorder=2)
    left.add_patch(loop)
    draw_graph(
        left,
        edges,
        places_of(count),
        labels=[str(number) for number, _, _, _ in rows],
        node_colours=[colour_of(topic) for _, topic, _, _ in rows],
        node_sizes=[620.0] + [480.0] * count,
        edge_widths=[0.8] * len(shown.between) + [line_width(weight) for weight in shown.weights],
        edge_colours=[_BETWEEN] * len(shown.between) + [_WEIGHT_LINE] * count,
        highlighted=[0],
        font_size=8,
    )
    left.set_title(f"whom node {shown.node} listens to", fontsize=10.5)
    right.barh(
        range(len(rows)), [weight for _, _, weight, _ in rows], color=[colour_of(topic) for _, topic, _, _ in rows]
    )
    right.set_yticks(range(len(rows)), [words for _, _, _, words in rows], fontsize=7.5)
    right.axvline(shown.even, color="black", linestyle="--", linewidth=1, label=f"all equal: {shown.even:.3f}")
    right.set(xlabel="attention weight", ylim=(len(rows) - 0.4, -0.6))
    right.legend(fontsize=8, loc="lower right")
    figure.suptitle(shown.caption(), fontsize=9.5)
    return figure


class NeighbourhoodPicture(anywidget.AnyWidget):
    """The neighbourhood in the browser: whoever clicks a neighbour, or presses Enter on it, changes ``chosen``.

    Attributes:
        chosen: number of the node that the reader wants to see.
        content: what is shown, as from :func:`content_of`.
    """

    chosen = traitlets.Int(0).tag(sync=True)
    content = traitlets.Dict().tag(sync=True)
    _css = """
.dl1-neighbourhood { background: #fff; color: #1a1a1a; max-width: 960px; }
.dl1-neighbourhood svg { width: 100%; height: auto; font-family: sans-serif; }
.dl1-neighbourhood [data-go] { cursor: pointer; }
.dl1-neighbourhood g:focus { outline: none; }
.dl1-neighbourhood g:focus-visible circle { stroke: #000; stroke-width: 4; }
.dl1-neighbourhood [data-go]:hover circle { stroke: #000; stroke-width: 3; }
.dl1-neighbourhood [data-go]:hover .dl1-words { text-decoration: underline; }
.dl1-neighbourhood p { margin: 2px 8px 6px; font-size: 13px; }
"""
    _esm = """
const SVG = "http://www.w3.org/2000/svg";

function add(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "dl1-neighbourhood";
  // JupyterLab would take Enter for "edit this cell".
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const picture = document.createElement("div");
  const caption = document.createElement("p");
  caption.setAttribute("role", "status");
  root.append(picture, caption);
  el.appendChild(root);

  function go(event) {
    const target = event.target.closest("[data-go]");
    if (!target) return;
    if (event.type === "keydown") {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
    }
    model.set("chosen", Number(target.dataset.go));
    model.save_changes();
  }
  root.addEventListener("click", go);
  root.addEventListener("keydown", go);

  function draw() {
    const content = model.get("content");
    if (!content.nodes) return;
    const inside = picture.contains(document.activeElement);
    const box = `0 0 960 ${content.height}`;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", box);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", content.caption);
    for (const line of content.lines) {
      add(svg, "line", { x1: line[0], y1: line[1], x2: line[2], y2: line[3], stroke: line[5], "stroke-width": line[4],
        "stroke-linecap": "round" });
    }
    const centre = content.nodes[0];
    add(svg, "circle", { cx: centre.x, cy: centre.y - 26, r: 20, fill: "none", stroke: content.ink,
      "stroke-width": content.loop });
    content.nodes.forEach((node, index) => {
      const button = index > 0;
      const group = add(svg, "g", button
        ? { tabindex: 0, role: "button", "data-go": node.number, "aria-label": `${node.words}: go there` }
        : { tabindex: -1, role: "img", "aria-label": node.words });
      add(group, "title", {}, node.words);
      add(group, "circle", { cx: node.x, cy: node.y, r: button ? 17 : 21, fill: node.colour,
        stroke: button ? content.ink : "#000", "stroke-width": button ? 1 : 4 });
      add(group, "text", { x: node.x, y: node.y + 4, "text-anchor": "middle", "font-size": 12, fill: node.ink },
        node.number);
    });
    content.bars.forEach((bar) => {
      const group = add(svg, "g", bar.go === null ? {} : { "data-go": bar.go, "aria-hidden": "true" });
      add(group, "text", { x: 632, y: bar.y + 11, "text-anchor": "end", "font-size": 12, class: "dl1-words" },
        bar.words);
      add(group, "rect", { x: 640, y: bar.y, width: bar.width, height: 13, fill: bar.colour });
      add(group, "text", { x: 940, y: bar.y + 11, "text-anchor": "end", "font-size": 11 }, bar.percent);
    });
    const last = content.bars[content.bars.length - 1].y + 16;
    add(svg, "line", { x1: content.even, y1: 22, x2: content.even, y2: last, stroke: "#000",
      "stroke-dasharray": "4 3" });
    add(svg, "text", { x: content.even, y: 15, "text-anchor": "middle", "font-size": 11 }, content.evenWords);
    picture.replaceChildren(svg);
    caption.textContent = content.caption;
    // Whoever came here by keyboard goes on from the node in the middle.
    if (inside) svg.querySelector('g[tabindex="-1"]').focus();
  }
  model.on("change:content", draw);
  draw();
  return () => model.off("change:content", draw);
}
export default { render };
"""


def content_of(shown: Neighbourhood) -> dict[str, Any]:
    """What the browser draws of a neighbourhood: places and lengths in the picture's own units, colours, words."""
    rows = shown.bars()
    # The same for all nodes, enough for 26 bars, so that the page doesn't jump.
    height = 490
    places = [(240 + 205 * x, height / 2 - 205 * y) for x, y in places_of(len(shown.neighbours)).tolist()]
    lines = [[*places[first + 1], *places[second + 1], 1, _BETWEEN] for first, second in shown.between]
    lines += [
        [*places[0], *place, line_width(weight), _WEIGHT_LINE]
        for place, weight in zip(places[1:], shown.weights, strict=True)
    ]
    scale = 240 / max(max(weight for _, _, weight, _ in rows), shown.even)
    return {
        "height": height,
        "caption": shown.caption(),
        "ink": LINES,
        "loop": line_width(shown.own),
        "lines": lines,
        "nodes": [
            {
                "number": number,
                "x": x,
                "y": y,
                "colour": colour_of(topic),
                "ink": ink_on(colour_of(topic)),
                "words": f"{words}, weight {weight:.1%}",
            }
            for (number, topic, weight, words), (x, y) in zip(rows, places, strict=True)
        ],
        "bars": [
            {
                "go": number if place else None,
                "y": 24 + 17 * place,
                "width": scale * weight,
                "colour": colour_of(topic),
                "words": words,
                "percent": f"{weight:.1%}",
            }
            for place, (number, topic, weight, words) in enumerate(rows)
        ],
        "even": 640 + scale * shown.even,
        "evenWords": f"all equal: {shown.even:.1%}",
    }
