"""The program that makes a digest of each answer, so that those of answers that are the same up to rounding are equal.

It runs in a sandbox of the checker's kind, and has answers as data alone. Numbers are not compared one by one, of which
one in a thousand lies at an edge between two roundings, but by a few sums of each tensor with fixed random weights. Two
equal answers, computed in another order, get two digests in a percent of cases; two different ones never get one,
unless they differ by less than a thousandth of their size.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import socket
import sys
from collections.abc import Sequence
from typing import Any

from dl1.contract import protocol
from proctor.sandbox.frames import Channel

# What is one step of a sum, in units of the numbers' root mean square.
_STEP, _HALF_STEP = 1e-3, 5e-2
# A size that is what rounding leaves of 0.
_NOTHING = 1e-7
_SUMS, _SEED = 2, 20
_DIGITS = 16
_ADDRESS = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)


def digest(answers: Sequence[tuple[dict[str, Any], bytes]]) -> str:
    """Sixteen hexadecimal digits for the answers to one test cell: headers and encoded values.

    Of an exception its classes and its text count, addresses left out.
    """
    told = [_told(header, value) for header, value in answers]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_DIGITS]


def _told(header: dict[str, Any], value: bytes) -> Any:
    if not header["ok"]:
        return [header.get("names"), _ADDRESS.sub("0x", header.get("text", ""))]
    try:
        return _of_value(protocol.decode(value))
    except protocol.ProtocolError:
        return ["no answer"]


def _of_value(value: Any) -> Any:
    """The value in a form for JSON, with what rounding may change left out."""
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(_of_value, value)]
    if isinstance(value, dict):
        return ["dict", *([str(key), _of_value(value[key])] for key in sorted(value, key=str))]
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), *_of_numbers(torch, value)]
    if isinstance(value, float):
        return ["float", f"{value:.3g}"]
    return [type(value).__name__, repr(value)]


def _of_numbers(torch: Any, value: Any) -> list[Any]:
    if value.is_complex():
        value = torch.view_as_real(value)
    if not value.is_floating_point():
        return [hashlib.sha256(value.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()]
    step = _STEP if value.element_size() > 2 else _HALF_STEP
    numbers = value.detach().double().reshape(-1)
    kinds = numbers.isnan() * 3 + numbers.isposinf() * 1 + numbers.isneginf() * 2
    shown = hashlib.sha256(kinds.to(torch.uint8).numpy().tobytes()).hexdigest() if kinds.any() else ""
    numbers = numbers.nan_to_num(0.0, 0.0, 0.0)
    size = float(numbers.square().mean().sqrt()) if numbers.numel() else 0.0
    if size < _NOTHING or not math.isfinite(size):
        return [shown, "0" if size < _NOTHING else "large"]
    weights = torch.randn(_SUMS, numbers.numel(), generator=torch.Generator().manual_seed(_SEED), dtype=torch.double)
    sums = (weights @ (numbers / size) / math.sqrt(numbers.numel()) / step).round().long().tolist()
    return [shown, round(math.log(size) / step), *sums]


def main(arguments: list[str] | None = None) -> int:
    """Run with the number of the inherited control channel."""
    (descriptor,) = sys.argv[1:] if arguments is None else arguments
    channel = Channel(socket.socket(fileno=int(descriptor)))
    job, _ = channel.receive()
    answers: dict[str, list[tuple[dict[str, Any], bytes]]] = {}
    for _ in range(job["answers"]):
        word, value = channel.receive()
        answers.setdefault(word["test"], []).append((word["answer"], value))
    channel.send({name: digest(own) for name, own in answers.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
