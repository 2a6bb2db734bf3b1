"""What the heads of a trained model do: a score for each head, and what the loss becomes without it.

A *previous-character head* looks at the character before. An *induction head* looks at what followed the last time that
the present character occurred, and so goes on with a text that it sees again (Elhage et al. 2021; Olsson et al. 2022).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError
from dl1.gpt.attention_probabilities import attention_probabilities
from dl1.gpt.last_position_loss import spread_positions
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.notebook import runs

_WINDOWS, _SCORED, _FEW = 64, 8, 2
_NAME, _OUTPUT = "self_attention", "c_proj"

Head = tuple[int, int]


@dataclass(frozen=True)
class HeadRoles:
    """Which heads look back by one character, and what each is worth; printed, the one that does so most.

    Attributes:
        previous: (L, n_head): mean weight on the character before.
        costs: (L, n_head): by how much the loss grows without the head, in nats.
        loss: of the whole model.
    """

    previous: torch.Tensor
    costs: torch.Tensor
    loss: float

    def __str__(self) -> str:
        back, dear = largest(self.previous), largest(self.costs)
        return (
            f"whole model: {self.loss:.2f} nats\n"
            f"{head_name(back)} puts {self.previous[back]:.0%} of its weight on the character before; without it the "
            f"loss is {self.loss + self.costs[back]:.2f}\n"
            f"the dearest: {head_name(dear)}; without it the loss is {self.loss + self.costs[dear]:.2f}"
        )


def roles_of_heads(model: nn.Module, tokenizer: CharTokenizer, text: str) -> HeadRoles:
    """The previous-character score of every head, and what the loss of a text becomes without it.

    While nbgrader validates or grades, two windows of the text are looked at.

    Args:
        model: from (B, T), int64, to logits (B, T, V), with ``block_size``; its blocks have a ``self_attention`` with
            ``n_head`` and ``c_proj``, as in 2a. Stays as it is.
        tokenizer: of the model.
        text: that the model was not trained on.

    Raises:
        CourseError: the model has no such attention, or fails; the text is too short, or has unknown characters.
    """
    size, tokens = model.block_size, tokenizer.encode(text)
    many = _FEW if runs.is_rerun() else _WINDOWS
    starts = spread_positions(len(tokens), size, many) - size
    windows = tokens.unfold(0, size + 1, 1)[starts]  # (N, T + 1)

    def loss() -> float:
        return token_losses(model, windows).mean().item()

    previous = mean_weight(model, windows[:: -(-len(windows) // _SCORED), :-1], 1)
    whole = loss()
    return HeadRoles(previous, removal(model, previous.shape, loss) - whole, whole)


def plot_head_roles(found: HeadRoles) -> Figure:
    """Score and cost, a cell for each head."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained")
    draw_heads(axes[0], found.previous, "weight on the character before")
    draw_heads(axes[1], found.costs, "loss without the head: + nats")
    return figure


def mean_weight(model: nn.Module, idx: torch.Tensor, distance: int) -> torch.Tensor:
    """Mean attention weight on the token so many places before, for each head: (L, n_head).

    Args:
        idx: (N, T), int64.
        distance: from 1 to T - 1.
    """
    weights = [attention_probabilities(model, row[None]) for row in idx]
    return torch.stack([each.diagonal(-distance, dim1=2, dim2=3).mean(-1) for each in weights]).mean(0)


def token_losses(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """Cross-entropy at each place of windows (N, T + 1), in nats: (N, T), without dropout."""
    with evaluating(model) as place, in_one_line("the model"):
        logits = model(windows[:, :-1].to(place)).float().cpu()  # (N, T, V)
    return F.cross_entropy(logits.transpose(1, 2), windows[:, 1:], reduction="none")


def removal(model: nn.Module, shape: tuple[int, int], loss: Callable[[], float]) -> torch.Tensor:
    """What ``loss()`` becomes without each of the (L, n_head) heads, one at a time."""
    found = torch.zeros(shape)
    for layer in range(shape[0]):
        for head in range(shape[1]):
            with without_head(model, layer, head):
                found[layer, head] = loss()
    return found


@contextlib.contextmanager
def without_head(model: nn.Module, layer: int, head: int) -> Iterator[None]:
    """The model without one head, both counted from 0, for the time of a block: zeros in its part of c_proj's input.

    Raises:
        CourseError: there is no such head, or the attention has not the parts of 2a.
    """
    layers = [part for name, part in model.named_modules() if name.rpartition(".")[2] == _NAME]
    heads = getattr(layers[layer], "n_head", 0) if 0 <= layer < len(layers) else 0
    if not 0 <= head < heads or not isinstance(getattr(layers[layer], _OUTPUT, None), nn.Module):
        raise CourseError(f"this model has no {head_name((layer, head))} with n_head and {_OUTPUT}, as in 2a")

    def silenced(_: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        merged = given[0].clone()  # (B, T, C), heads side by side
        size = merged.shape[-1] // heads
        merged[..., head * size : (head + 1) * size] = 0.0
        return (merged, *given[1:])

    hook = getattr(layers[layer], _OUTPUT).register_forward_pre_hook(silenced)
    try:
        yield
    finally:
        hook.remove()


def draw_heads(axis: Axes, values: torch.Tensor, title: str) -> None:
    """A cell with its number for each head, the largest framed; layers and heads are counted from 1."""
    high = max(float(values.max()), 1e-6)
    axis.imshow(values.clamp(min=0), cmap="Blues", vmin=0, vmax=high)
    for layer, row in enumerate(values.tolist()):
        for head, value in enumerate(row):
            colour = "white" if value > 0.6 * high else "black"
            axis.text(head, layer, f"{value:.2f}", ha="center", va="center", fontsize=8.5, color=colour)
    layer, head = largest(values)
    axis.add_patch(plt.Rectangle((head - 0.48, layer - 0.48), 0.96, 0.96, fill=False, edgecolor="#D55E00", linewidth=2))
    axis.set_title(title, fontsize=10)
    axis.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
    axis.set_yticks(range(values.shape[0]), range(1, values.shape[0] + 1))
    axis.set(xlabel="head", ylabel="layer")


def largest(values: torch.Tensor) -> Head:
    """Layer and head with the largest value, counted from 0."""
    layer, head = divmod(int(values.argmax()), values.shape[1])
    return layer, head


def head_name(head: Head) -> str:
    """In words, counted from 1."""
    return f"layer {head[0] + 1}, head {head[1] + 1}"
