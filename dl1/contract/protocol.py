"""The probe contract: how a check reaches student code, and what may travel between the two.

A *check* runs in a process that holds tests and expected values. *Student code* runs in another one. The
function between them is a *probe*: its body runs beside the student's code, everything around it does not.
This module is the only one that both ends import; ``dl1.contract.probe`` is the end that runs in a student's own
notebook (both roles in one process), the grading engine implements the other.

**What travels to the student's process.** The probe's source (a plain function, cut from the syntax tree of its
cell), the sources of its doubles, the top-level import statements of its cell that they use, and the encoded arguments.
A body may use its parameters, its own names, those imports, and the names that the notebook promises (its interface).
It never contains a verdict: it computes, and returns data. A grading engine sends it under neutral names, without
docstrings, comments and annotations, so that code under test can't tell what it is asked for; so a body never looks for
a name by its text (``locals()``, ``eval``). Of this package only ``without_ready_made`` travels along.

**What may cross, both ways.** ``None``, ``bool``, ``int`` (64 bits), ``float``, ``str`` (of whole characters, no lone
surrogates), ``list``, ``tuple``, ``dict`` with ``str`` keys, and dense tensors of the dtypes in :data:`DTYPES`, as
exact types: no subclass is accepted. Tensors arrive detached, contiguous, on the CPU, as copies. Gradients are
computed in the body and returned as tensors. A message is ``MAGIC``, the header's length (4 bytes, big-endian), a
JSON header in ASCII and the tensors' raw bytes (little-endian, as on every machine that torch runs on); nothing in it
is ever executed or unpickled.
:data:`MAX_BYTES`, :data:`MAX_HEADER`, :data:`MAX_DEPTH`, :data:`MAX_ITEMS` cap a message, :data:`MAX_RANK` a tensor;
for each tensor, shape × item size must equal the length of its buffer.

**Doubles.** ``given={"RMSNorm": Double}`` puts a class or function of the test cell in place of an earlier answer
while the body runs, and takes it back afterwards: into the notebook's globals and, where the replaced object is also
a global of the module that defines it (an exported ``gpt.py``), there too. ``"GPT.forward"`` replaces a class's
attribute.

**Seeds.** :func:`seed` turns the name of a draw into a number through HMAC with the current key. In a student's
notebook the key is public and constant. A grading engine calls :func:`use_seed_key` in the checker with a key made
from the course secret, the student and the submission, so that inputs can't be foreseen and a regrade repeats them
exactly. Before a body runs, the global torch generator is seeded from the probe's name, by whoever runs it.

**Transport.** A call of a probe is carried by what :func:`use_transport` has set; nothing is set in a student's
notebook, where the body runs in the same process.

**Failures.** Each function of this package whose name begins with ``check_`` is a check: it returns if it found
nothing wrong, and otherwise raises an ``AssertionError`` with two texts, ``name`` (what was checked) and ``kind`` (how
it failed).

**Errors.** If the body raises, the student's own exception is seen in a student's notebook; a grading engine reports
it to the check as :class:`ProbeError`, which holds the names of the exception's classes (``names``, most special
first) and, for teaching staff only, its text cut to :data:`MAX_ERROR_TEXT` characters. ``NotImplementedError`` always
means "not finished" and is never an expected answer. The text can contain anything that the body could see, so it
must not reach the student for a hidden check.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import numbers
import struct
from typing import Any, Protocol

import torch

from dl1.errors import CourseError

MAGIC = b"DLP1"
MAX_BYTES = 64 * 2**20
MAX_HEADER = 2**20
MAX_DEPTH = 16
MAX_ITEMS = 20_000
MAX_RANK = 16
MAX_ERROR_TEXT = 2_000
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
_INT_LIMIT = 2**63
_PUBLIC_KEY = b"a student's own notebook"
_key = _PUBLIC_KEY


class Transport(Protocol):
    """Carries a call of a probe to student code and its answer back."""

    def __call__(self, probe: Any, args: tuple, kwargs: dict[str, Any]) -> Any: ...


_transport: Transport | None = None


class ProtocolError(CourseError):
    """A value may not cross between a check and student code, or a message is not of the contract's form."""


class ProbeError(CourseError):
    """Student code raised while a probe ran in another process.

    Attributes:
        names: class names of the exception and its bases, most special first, e.g. ``("IndexError", "LookupError")``.
        text: the exception's text, for teaching staff only.
    """

    def __init__(self, names: tuple[str, ...], text: str) -> None:
        super().__init__(f"the code under test raised {names[0]}")
        self.names = names
        self.text = text[:MAX_ERROR_TEXT]


def use_transport(transport: Transport | None) -> None:
    """Sets what carries calls of probes from here on; ``None`` restores a student's notebook, where bodies run here."""
    global _transport
    _transport = transport


def transport() -> Transport | None:
    """What :func:`use_transport` has set."""
    return _transport


def use_seed_key(key: bytes | None) -> None:
    """Sets the key behind :func:`seed`; ``None`` restores the public one of a student's notebook."""
    global _key
    _key = _PUBLIC_KEY if key is None else key


def seed(draw: str) -> int:
    """Number in [0, 2**63) for the draw of this name under the current key."""
    return int.from_bytes(hmac.new(_key, draw.encode(), hashlib.sha256).digest()[:8], "big") >> 1


def generator(draw: str) -> torch.Generator:
    """CPU random generator for one named draw of a check's inputs, seeded by :func:`seed`."""
    return torch.Generator().manual_seed(seed(draw))


def encode(value: Any) -> bytes:
    """Message for one value of the contract's types.

    Raises:
        ProtocolError: the value, or something inside it, may not cross; the message says where, and what to return.
    """
    buffers: list[bytes] = []
    count = [0, 0]  # items, bytes of tensors
    tree = _pack(value, "the value", 0, buffers, count)
    header = json.dumps({"v": tree, "b": [len(b) for b in buffers]}, ensure_ascii=True, allow_nan=False).encode()
    if len(header) > MAX_HEADER:
        raise ProtocolError(f"text and lists of {len(header):,} bytes are too much for one probe: return tensors")
    size = len(MAGIC) + 4 + len(header) + sum(map(len, buffers))
    _check_size(size)
    return b"".join([MAGIC, struct.pack(">I", len(header)), header, *buffers])


def decode(message: bytes) -> Any:
    """Value of a message; safe on any bytes whatever.

    Raises:
        ProtocolError: the message is not exactly of the form that :func:`encode` makes.
    """
    if len(message) > MAX_BYTES or message[:4] != MAGIC or len(message) < 8:
        raise ProtocolError("not a probe message")
    (length,) = struct.unpack(">I", message[4:8])
    if length > MAX_HEADER or 8 + length > len(message):
        raise ProtocolError("the message's header is too long")
    try:
        # As ASCII text, because json takes bytes for UTF-16 or UTF-32 where they look like it.
        text = message[8 : 8 + length].decode("ascii")
        header = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the message's header can't be read") from error
    if type(header) is not dict or set(header) != {"v", "b"} or type(header["b"]) is not list:
        raise ProtocolError("the message's header has another form")
    buffers, position = [], 8 + length
    for size in header["b"]:
        if type(size) is not int or not 0 <= size <= len(message) - position:
            raise ProtocolError("the message's buffers don't fit")
        buffers.append(message[position : position + size])
        position += size
    if position != len(message):
        raise ProtocolError("the message is longer than it says")
    unused = set(range(len(buffers)))
    value = _unpack(header["v"], 0, buffers, unused, [0])
    if unused:
        raise ProtocolError("the message has buffers that nothing refers to")
    return value


def _pack(value: Any, where: str, depth: int, buffers: list[bytes], count: list[int]) -> Any:
    _count(depth, count)
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _checked_text(value, where)
    if kind is int:
        if not -_INT_LIMIT <= value < _INT_LIMIT:
            raise ProtocolError(f"{where} is an int of more than 64 bits")
        return value
    if kind is float:
        return {"f": value.hex()}
    if kind is list or kind is tuple:
        items = [_pack(v, f"{where}[{i}]", depth + 1, buffers, count) for i, v in enumerate(value)]
        return {"l" if kind is list else "t": items}
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise ProtocolError(f"{where} is a dict with a key of type {type(key).__name__}: keys have to be str")
            _checked_text(key, f"a key of {where}")
        return {"d": [[k, _pack(v, f"{where}[{k!r}]", depth + 1, buffers, count)] for k, v in value.items()]}
    if kind is torch.Tensor or kind is torch.nn.Parameter:
        return _pack_tensor(value, where, buffers, count)
    raise ProtocolError(f"{where} is a {kind.__module__}.{kind.__qualname__}, which can't be checked: {_advice(kind)}")


def _advice(kind: type) -> str:
    """What to do about a value of a class that may not cross, from the class alone: the value is a student's."""
    if issubclass(kind, torch.Tensor):
        return "return a plain torch.Tensor"
    # Of numpy's numbers only float64 and str_ are subclasses of Python's.
    names = {base.__name__ for base in kind.__mro__ if base.__module__ == "numpy"}
    if "ndarray" in names:
        return "use torch.as_tensor(…) or .tolist()"
    for of_numpy, plain in (("bool", bool), ("integer", int), ("floating", float), ("str_", str)):
        if of_numpy in names or (not names and issubclass(kind, plain)):
            return f"use {plain.__name__}(…)"
    if issubclass(kind, numbers.Real):
        return "use float(…)"
    return "return tensors, numbers, text, or lists of them"


def _pack_tensor(tensor: torch.Tensor, where: str, buffers: list[bytes], count: list[int]) -> Any:
    name = str(tensor.dtype).removeprefix("torch.")
    odd = tensor.is_meta or tensor.is_quantized or tensor.is_nested
    if name not in DTYPES or tensor.layout is not torch.strided or odd:
        nested = "nested, " if tensor.is_nested else ""
        kind = f"{nested}{tensor.dtype}, {tensor.layout}, {tensor.device}"
        raise ProtocolError(f"{where} is a tensor of {kind}: make it dense")
    if tensor.ndim > MAX_RANK:
        raise ProtocolError(f"{where} is a tensor of {tensor.ndim} dimensions: at most {MAX_RANK} may cross")
    count[1] += tensor.numel() * tensor.element_size()
    # Before anything is copied: an expanded tensor can be small here and huge as a copy.
    _check_size(count[1])
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    # A clone, because contiguous() leaves the odd strides of a tensor of one element as they are.
    flat = plain.clone(memory_format=torch.contiguous_format).reshape(-1)
    buffers.append(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return {"x": [name, list(tensor.shape), len(buffers) - 1]}


def _unpack(node: Any, depth: int, buffers: list[bytes], unused: set[int], count: list[int]) -> Any:
    _count(depth, count)
    if node is None or type(node) is bool:
        return node
    if type(node) is str:
        return _checked_text(node, "the message")
    if type(node) is int:
        if not -_INT_LIMIT <= node < _INT_LIMIT:
            raise ProtocolError("the message has an int of more than 64 bits")
        return node
    if type(node) is not dict or len(node) != 1:
        raise ProtocolError("the message has an untyped value")
    ((tag, body),) = node.items()
    if tag == "f" and type(body) is str and len(body) < 40:
        try:
            return float.fromhex(body)
        except (ValueError, OverflowError) as error:
            raise ProtocolError("the message has a float that is none") from error
    if type(body) is not list:
        raise ProtocolError("the message has a value of unknown type")
    if tag in ("l", "t"):
        items = [_unpack(v, depth + 1, buffers, unused, count) for v in body]
        return items if tag == "l" else tuple(items)
    if tag == "d" and all(type(pair) is list and len(pair) == 2 and type(pair[0]) is str for pair in body):
        result = {_checked_text(key, "the message"): _unpack(v, depth + 1, buffers, unused, count) for key, v in body}
        if len(result) != len(body):
            raise ProtocolError("the message has a dict with a key twice")
        return result
    if tag == "x" and len(body) == 3:
        return _unpack_tensor(*body, buffers, unused)
    raise ProtocolError("the message has a value of unknown type")


def _unpack_tensor(name: Any, shape: Any, index: Any, buffers: list[bytes], unused: set[int]) -> torch.Tensor:
    if type(name) is not str or name not in DTYPES or type(shape) is not list or len(shape) > MAX_RANK:
        raise ProtocolError("the message has a tensor of a dtype or rank that may not cross")
    if not all(type(n) is int and 0 <= n < _INT_LIMIT for n in shape) or type(index) is not int or index not in unused:
        raise ProtocolError("the message has a tensor without a proper shape or buffer")
    unused.remove(index)
    dtype, raw = DTYPES[name], buffers[index]
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ProtocolError("the message has a tensor whose shape doesn't fit its bytes")
    if not raw:
        if math.prod(n for n in shape if n) > MAX_BYTES:
            raise ProtocolError("the message has an empty tensor of an absurd shape")
        return torch.empty(shape, dtype=dtype)
    flat = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    if dtype is torch.bool and flat.max() > 1:
        raise ProtocolError("the message has a bool tensor with other bytes than 0 and 1")
    return flat.view(dtype).reshape(shape)


def _checked_text(text: str, where: str) -> str:
    # In JSON two lone surrogates look like one character, and no file or terminal takes them.
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(f"{where} has half a character (a lone surrogate), which can't be checked") from error
    return text


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ProtocolError(f"{size:,} bytes are too much for one probe (at most {MAX_BYTES:,}): use smaller inputs")


def _count(depth: int, count: list[int]) -> None:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_ITEMS:
        raise ProtocolError(f"too deep or too many items (at most {MAX_DEPTH} levels, {MAX_ITEMS:,} items)")


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not written like this in a probe message")
