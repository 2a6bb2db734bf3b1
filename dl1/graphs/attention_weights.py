"""The weights of a student's attention layer, from its debug output, and what is wrong with that output if it is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn

from dl1.errors import CourseError

_CALL = "layer(x, edge_index, debug=True)"
_KEYS = ("edge_index", "attention")


@torch.no_grad()
def attention_weights(layer: nn.Module, x: torch.Tensor, edge_index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What ``layer(x, edge_index, debug=True)`` says about its weights, in eval mode.

    Args:
        layer: from x (N, in) and edge_index (2, E) to (out, dict) with the keys "edge_index" and "attention".

    Returns:
        edge_index (2, E + N) with a self-loop for each node, and weights (E + N,) which sum to 1 over the edges that
        arrive at a node; both on the CPU.

    Raises:
        CourseError: the layer fails, or its debug output is something else.
        NotImplementedError: the layer is not finished.
    """
    was_training = layer.training
    place = next((parameter.device for parameter in layer.parameters()), x.device)
    layer.eval()
    try:
        output = layer(x.to(place), edge_index.to(place), debug=True)
    except NotImplementedError:
        raise
    # A demo must not end in the traceback of an error that the checks of the layer report in full.
    except Exception as error:
        raise CourseError(f"{_CALL} stopped with {type(error).__name__}: {_one_line(error)}") from None
    finally:
        layer.train(was_training)
    edges, weights = _tensors(output)
    _check(edges, weights, edge_index.cpu(), len(x))
    return edges, weights


def _tensors(output: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if not isinstance(output, tuple) or len(output) != 2 or not isinstance(output[1], dict):
        raise CourseError(f"{_CALL} gave a {type(output).__name__} in place of a pair (result, dict)")
    missing = [key for key in _KEYS if not isinstance(output[1].get(key), torch.Tensor)]
    if missing:
        raise CourseError(f"the dict of {_CALL} has no tensor {' and no tensor '.join(map(repr, missing))}")
    edges, weights = (output[1][key].detach().cpu() for key in _KEYS)
    if edges.is_floating_point() or edges.ndim != 2 or len(edges) != 2:
        raise CourseError(f"'edge_index' of {_CALL} is {edges.dtype} {tuple(edges.shape)}, not int64 (2, E + N)")
    # One head may come as a column.
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != edges.shape[1:] or not weights.is_floating_point():
        raise CourseError(
            f"'attention' of {_CALL} is {weights.dtype} {tuple(weights.shape)}: "
            f"its 'edge_index' has {edges.shape[1]} edges, and each needs one weight"
        )
    return edges.long(), weights.double()


def _check(edges: torch.Tensor, weights: torch.Tensor, given: torch.Tensor, nodes: int) -> None:
    expected = torch.cat([given, torch.arange(nodes).expand(2, -1)], dim=1)  # (2, E + N)
    same = edges.shape == expected.shape and bool(edges.min() >= 0) and bool(edges.max() < nodes)
    if not same or not torch.equal(
        (edges[0] * nodes + edges[1]).sort()[0], (expected[0] * nodes + expected[1]).sort()[0]
    ):
        raise CourseError(
            f"'edge_index' of {_CALL} should hold the {given.shape[1]} given edges and one self-loop for each of the "
            f"{nodes} nodes; it holds {edges.shape[1]} edges, "
            f"{int((edges[0] == edges[1]).sum()) if edges.numel() else 0} of them self-loops"
        )
    sums = torch.zeros(nodes, dtype=weights.dtype).index_add(0, edges[1], weights)
    # Hundreds of float32 weights can be off by 1e-5 together, weights that are not normalised by far more.
    if not torch.isfinite(weights).all() or bool((weights < 0).any()) or bool(((sums - 1).abs() > 1e-3).any()):
        worst = int((sums - 1).abs().nan_to_num(torch.inf).argmax())
        raise CourseError(
            f"'attention' of {_CALL} should be weights of at least 0 that sum to 1 at each destination; "
            f"at node {worst} the sum is {sums[worst].item():.3g}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
