"""The attention weights of all heads of a student's GPT, collected through the debug switch of its attention layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError

_NAME = "self_attention"
_SWITCHES = ("debug", "use_flash_attn")
# A sum of at most a few hundred weights in half precision.
_SUM_TOLERANCE = 1e-2


def attention_probabilities(model: nn.Module, idx: torch.Tensor) -> torch.Tensor:
    """Attention weights of every layer and head, in eval mode: (L, n_head, T, T), float32, on the CPU.

    The model runs once while the input of each block's ``self_attention`` is recorded; then each of these layers gets
    its input again, with ``debug`` on and fused attention off, because that one has no weights to show. Afterwards
    all switches and modes are as they were.

    Args:
        model: from (B, T), int64, to logits; its blocks have a ``self_attention`` whose forward, if its attribute
            ``debug`` is true, gives a dict with "att_probs", (B, n_head, T, T).
        idx: (1, T), int64.

    Raises:
        CourseError: a part of the model is not finished or fails, or there is no such output.
    """
    layers = [layer for name, layer in model.named_modules() if name.rpartition(".")[2] == _NAME]
    if not layers:
        raise CourseError(
            f"this model has no attention to show: its blocks need a layer {_NAME}, as the block of Question 2.3 has"
        )
    inputs: list[torch.Tensor] = []
    with evaluating(model) as place:
        with _switched(layers, debug=False), _recorded(layers, inputs), in_one_line("the model"):
            model(idx.to(place))
        if len(inputs) != len(layers):
            raise CourseError(
                f"{len(layers)} attention layers were called {len(inputs)} times: each block must use its own once"
            )
        found = []
        with _switched(layers, debug=True):
            for number, (layer, x) in enumerate(zip(layers, inputs, strict=True), start=1):
                with in_one_line(f"the attention of layer {number} with debug=True"):
                    output = layer(x)
                found.append(_weights(output, idx.shape[1], number))
    if len({weights.shape for weights in found}) > 1:
        raise CourseError("the layers have different numbers of heads: there is no common picture of them")
    return torch.stack(found)


def doubts(weights: torch.Tensor) -> str:
    """What can't be right in attention weights (L, n_head, T, T), in words; empty if nothing is wrong."""
    said = []
    ahead = weights.triu(1).amax((2, 3)) > 0
    if ahead.any():
        layer, head = ahead.nonzero()[0].tolist()
        said.append(f"layer {layer + 1}, head {head + 1} looks at later characters")
    off = (weights.sum(-1) - 1).abs().amax(2)  # (L, n_head)
    if (off > _SUM_TOLERANCE).any():
        layer, head = divmod(int(off.argmax()), off.shape[1])
        said.append(f"weights of a row of layer {layer + 1}, head {head + 1} don't sum to 1")
    return "; ".join(said)


def _weights(output: Any, length: int, number: int) -> torch.Tensor:
    """(n_head, T, T) from what a layer gave for one text."""
    call = f"the attention of layer {number} with debug=True"
    weights = output.get("att_probs") if isinstance(output, dict) else None
    if not isinstance(weights, torch.Tensor):
        kind = "a dict without it" if isinstance(output, dict) else f"a {type(output).__name__}"
        raise CourseError(f'{call} should give a dict with "att_probs" (Question 2.2); it gave {kind}')
    if weights.dim() != 4 or weights.shape[0] != 1 or weights.shape[2:] != (length, length):
        raise CourseError(
            f'"att_probs" of layer {number} has shape {tuple(weights.shape)}, not (1, n_head, {length}, {length})'
        )
    weights = weights[0].detach().float().cpu()
    if not weights.isfinite().all():
        raise CourseError(f'"att_probs" of layer {number} has NaN or infinite weights')
    return weights


@contextlib.contextmanager
def _switched(layers: list[nn.Module], debug: bool) -> Iterator[None]:
    before = [{name: vars(layer)[name] for name in _SWITCHES if name in vars(layer)} for layer in layers]
    try:
        for layer in layers:
            layer.debug, layer.use_flash_attn = debug, False
        yield
    finally:
        for layer, switches in zip(layers, before, strict=True):
            for name in _SWITCHES:
                if name in switches:
                    setattr(layer, name, switches[name])
                else:
                    delattr(layer, name)


@contextlib.contextmanager
def _recorded(layers: list[nn.Module], inputs: list[torch.Tensor]) -> Iterator[None]:
    hooks = [layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0])) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
