"""What rewritten reference answers call: the same computation, written or stored in another way.

A rewritten cell imports this module. Each function gives what the expression in its place gives, up to rounding.
"""

from __future__ import annotations

import collections
import functools
import struct
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional


def product_by_einsum(a: Any, b: Any) -> Any:
    """`a @ b` by `torch.einsum`."""
    left = "...j" if a.ndim == 1 else "...ij"
    right = "j" if b.ndim == 1 else "...jk"
    result = "..." + ("" if a.ndim == 1 else "i") + ("" if b.ndim == 1 else "k")
    return torch.einsum(f"{left},{right}->{result}", a, b)


def product_by_loops(a: Any, b: Any) -> Any:
    """`a @ b`, one head (or text, or row) after the other."""
    if a.ndim < 2 or b.ndim < 1:
        return a @ b
    if a.ndim == 2 or b.ndim < a.ndim:
        return torch.stack([row @ b for row in a]) if len(a) else a @ b
    if a.shape[0] != b.shape[0] or not len(a):
        return a @ b
    return torch.stack([product_by_loops(one, other) for one, other in zip(a, b, strict=True)])


def product_by_sums(a: Any, b: Any) -> Any:
    """`a @ b` as a sum of products of numbers."""
    if a.ndim < 2 or b.ndim < 2:
        return (a * b).sum(-1) if b.ndim == 1 else a @ b
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def by_functional(module: nn.Module, *args: Any) -> Any:
    """`module(*args)` by a function and the module's own weights, for layers that have one."""
    if type(module) is nn.Linear:
        return functional.linear(*args, module.weight, module.bias)
    if type(module) is nn.Dropout:
        return functional.dropout(*args, module.p, module.training)
    if type(module) is nn.Embedding:
        return module.weight[args[0]]
    return module(*args)


def attention_head_by_head(q: Any, k: Any, v: Any, **options: Any) -> Any:
    """`F.scaled_dot_product_attention`, one call for each head."""
    parts = zip(q.unbind(1), k.unbind(1), v.unbind(1), strict=True)
    return torch.stack([functional.scaled_dot_product_attention(*part, **options) for part in parts], dim=1)


def softmax_by_hand(x: Any, dim: int) -> Any:
    """`x.softmax(dim)` by exponentials and a sum."""
    exponentials = (x - x.amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def unflattened(x: Any, *shape: Any) -> Any:
    """`x.view(*shape)`, by `unflatten` where only the last dimension is split."""
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    return x.unflatten(-1, sizes[x.ndim - 1 :]) if sizes[: x.ndim - 1] == tuple(x.shape[:-1]) else x.reshape(*shape)


def permuted(x: Any, first: int, second: int) -> Any:
    """`x.transpose(first, second)` by `permute`."""
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return x.permute(order)


def spread_out(x: Any) -> Any:
    """The same numbers, not contiguous: every other one of a larger tensor."""
    return torch.stack([x, torch.zeros_like(x)], dim=-1)[..., 0] if isinstance(x, torch.Tensor) else x


def part_of_another(x: Any) -> Any:
    """The same numbers as a view into a larger tensor, behind others."""
    return torch.stack([torch.zeros_like(x), x])[1] if isinstance(x, torch.Tensor) else x


def in_float32(number: Any) -> Any:
    """A Python float as float32 rounds it."""
    return struct.unpack("f", struct.pack("f", number))[0] if type(number) is float else number


def named_children(*modules: nn.Module) -> nn.Sequential:
    """`nn.Sequential` of an OrderedDict."""
    return nn.Sequential(collections.OrderedDict((f"step_{n}", one) for n, one in enumerate(modules)))


class OwnSequential(nn.Sequential):
    """A subclass with state of its own."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self.calls = 0
        self.register_buffer("seen", torch.zeros(2), persistent=False)

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return super().forward(x)


def numbers_in_float32(function: Callable) -> Callable:
    """A decorator: every Python float in what is returned is rounded to float32."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return _rounded(function(*args, **kwargs))

    return called


def _rounded(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(map(_rounded, value))
    if type(value) is dict:
        return {key: _rounded(one) for key, one in value.items()}
    # A table of pandas, which is not imported here.
    if hasattr(value, "to_dict") and hasattr(value, "astype"):
        return value.astype({name: "float32" for name, kind in value.dtypes.items() if kind.kind == "f"})
    return in_float32(value)


def row_by_row(function: Callable) -> Callable:
    """A decorator: the function is called for each row of its first dimension, where that gives the same.

    What draws random numbers, or mixes the rows, is called once as before.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        before = torch.get_rng_state()
        whole = function(*args, **kwargs)
        sizes = {len(one) for one in args if isinstance(one, torch.Tensor) and one.ndim and one.device.type != "meta"}
        if not torch.equal(before, torch.get_rng_state()) or len(sizes) != 1 or min(sizes) < 2 or not _tensors(whole):
            return whole
        try:
            rows = [function(*(_row(one, n) for one in args), **kwargs) for n in range(sizes.pop())]
        # What takes a row for something else says so in its own way.
        except Exception:
            return whole
        joined = [torch.cat(parts) for parts in zip(*map(_tensors, rows), strict=True)]
        same = all(a.shape == b.shape and torch.allclose(a, b) for a, b in zip(joined, _tensors(whole), strict=True))
        return whole if not same else joined[0] if isinstance(whole, torch.Tensor) else type(whole)(joined)

    return called


def _row(value: Any, number: int) -> Any:
    return value[number : number + 1] if isinstance(value, torch.Tensor) and value.ndim else value


def _tensors(value: Any) -> list[torch.Tensor]:
    parts = [value] if isinstance(value, torch.Tensor) else value
    found = isinstance(parts, list | tuple) and all(isinstance(one, torch.Tensor) and one.ndim for one in parts)
    return list(parts) if found else []
