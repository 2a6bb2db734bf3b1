"""Sealed hints: the public check cells of a notebook may carry help that only the mistake it is about can open.

Such a cell has a comment, made at release (:func:`sealed_line`), with a salt and a row of encrypted texts. When a
check of the cell fails, a key is made of the check's name and of what it found, with its numbers rounded; the text
that this key opens is the help on the card. Where the answer raises an exception, the key is made of its class and
text, and of the functions that it came through. Passing checks, and cells without the comment, cost nothing.

**What this keeps from whom.** Somebody who has the notebook and this package, and wants the hints without making the
mistakes. All texts of a cell have one length, and some of them are noise: neither the words, nor how many there are,
nor which check they belong to can be seen. The key comes from scrypt (:data:`COST`: 64 MiB, about a quarter of a
second of a processor) with a salt of the cell's own. Whoever guesses pays that for each guess at each cell anew: a
thousand likely answers to one check take four minutes. Where a wrong answer is a short word or a small number, that is
affordable, and so is making likely mistakes on purpose and running the check. What it brings is one sentence that says
which mistake gives this answer, which was the guess. No hint holds a solution, an expected value, or anything of a
hidden check: those are not in the notebook in any form, so that nothing more can come of breaking all of this.

**What it is not.** No proof of who sealed it: students may write such a comment themselves, for themselves. Grading
never reads one.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import itertools
import json
import linecache
import math
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from dl1.errors import CheckFailed

MARKER = "# Sealed hints: "
EXCEPTION = "an exception"
# log2 of scrypt's N; with r = 8 it needs 2**N KiB.
COST = 16
_MOST_COST = 18
_HEAD = b"\x01"
_SALT, _KEY, _NONCE, _TAG = 16, 32, 12, 16
_PAGE, _GROUP = 64, 4
# A lone number, or a word, may come of many mistakes; then the whole answer has to be the same.
_FEW = 4
# Numbers are rounded to steps that are no round numbers themselves, so that 0.5 never lies between two of them. What
# other machines compute differs by a few millionths of the largest number.
_SHIFT, _NOISE, _NEAR = 0.31, 5e-6, 3
_MANY, _MOST = 64, 20_000
_last_answer: Any = None
# Whether a check is at work.
_inside = False


def note_answer(answer: Any) -> None:
    """Remembers what a probe has given back: it is what a check that compares less than it is about."""
    global _last_answer
    _last_answer = answer


def with_hints(check: Callable[..., None]) -> Callable[..., None]:
    """Lets the failure of a check say what the cell's sealed hints say about it; decorator of all checks.

    The exception gets ``answer``, what the check has found, and, where a hint opens, its ``help``.
    """

    @functools.wraps(check)
    def helped(*given: Any, **options: Any) -> None:
        # A check may be made of others; the outermost one knows all of the answer.
        global _inside
        outermost, _inside = not _inside, True
        try:
            return check(*given, **options)
        except CheckFailed as failed:
            if outermost:
                # Whatever an answer is, its failure has to arrive.
                with contextlib.suppress(Exception):
                    failed.answer = answer_of(given, options)
                    failed.help = failed.help or in_words(_opened(failed))
            raise
        finally:
            if outermost:
                _inside = False

    return helped


def answer_of(given: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What the failure of a check is known by: what it looked at, or, where that is little, the probe's answer with it.

    Args:
        given, options: what the check was called with. The first is what it looks at, by its place or by its name.
    """
    found = options.get("found", next(iter([*given, *options.values()]), None))
    size = _size(found)
    return found if size >= _FEW else [found if size else None, _last_answer]


def of_exception(error: BaseException) -> tuple[str, Any]:
    """What takes the place of a check's name and its answer where the answer raised an exception."""
    names, traceback = [], error.__traceback__
    while traceback is not None:
        if _is_of_notebook(traceback.tb_frame):
            names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    # The first is the cell itself, which IPython gives a name of its own.
    return EXCEPTION, [type(error).__name__, _text(error), names[1:]]


def help_for(error: BaseException) -> str:
    """What the sealed hints of its cell say about an exception of the student's code; empty if nothing."""
    traceback = error.__traceback__
    # Who has not begun, and whom the exception tells nothing, has made no mistake that is known.
    if isinstance(error, NotImplementedError) or not _text(error):
        return ""
    while traceback is not None:
        if line := _line_in(traceback.tb_frame):
            return in_words(opened(line, *of_exception(error)))
        traceback = traceback.tb_next
    return ""


def _text(error: BaseException) -> str:
    """What it says; empty where a class of the student's can't say it."""
    try:
        return str(error)
    except Exception:
        return ""


def in_words(hints: Sequence[str]) -> str:
    """Help for the reader: a sentence with the hint, or with those that one of is right."""
    if len(hints) < 2:
        return "".join(f"This mistake is known: {hint}." for hint in hints)
    return f"This mistake is known, as one of: {'; or '.join(hints)}."


def sealed_line(hints: Iterable[tuple[str, Any, Sequence[str]]], cost: int = COST) -> str:
    """The comment for a cell, with its hints.

    Args:
        hints: name of a check, its ``answer``, and the sentences about it, for each mistake that is known. Where two of
            them are the same up to rounding, both open all of the sentences.
        cost: log2 of scrypt's N.
    """
    texts: dict[bytes, list[str]] = {}
    for name, answer, sentences in hints:
        for secret in secrets(name, answer):
            own = texts.setdefault(secret, [])
            own += [one for one in sentences if one not in own]
    plain = {secret: json.dumps(own, ensure_ascii=False).encode() for secret, own in texts.items()}
    if not plain:
        return ""
    length = -(-max(map(len, plain.values())) // _PAGE) * _PAGE
    salt = os.urandom(_SALT)
    found = []
    for secret, text in plain.items():
        cipher, nonce = _cipher(secret, salt, cost)
        found.append(cipher.encrypt(nonce, text.ljust(length), None))
    found += [os.urandom(length + _TAG) for _ in range(-len(found) % _GROUP)]
    # The order of what was random to begin with says nothing.
    content = _HEAD + bytes([cost]) + len(found).to_bytes(2, "big") + salt + b"".join(sorted(found))
    return MARKER + base64.b64encode(content).decode()


def opened(line: str, name: str, answer: Any) -> list[str]:
    """The sentences that an answer opens; none where the line is not of the form that :func:`sealed_line` makes.

    Args:
        name: of the check that failed.
        answer: that of the exception.
    """
    try:
        content = base64.b64decode(line.removeprefix(MARKER).strip(), validate=True)
        cost, count = content[1], int.from_bytes(content[2:4], "big")
        salt, rest = content[4 : 4 + _SALT], content[4 + _SALT :]
        if content[:1] != _HEAD or not 0 < cost <= _MOST_COST or not count or len(rest) % count:
            return []
        from cryptography.exceptions import InvalidTag

        cipher, nonce = _cipher(secrets(name, answer)[0], salt, cost)
    # Help is an extra. Where it can't be had, the failure itself has still to be shown.
    except (ImportError, ValueError, IndexError, MemoryError):
        return []
    size = len(rest) // count
    for begin in range(0, len(rest), size):
        try:
            return json.loads(cipher.decrypt(nonce, rest[begin : begin + size], None))
        except (InvalidTag, ValueError):
            continue
    return []


def secrets(name: str, answer: Any) -> list[bytes]:
    """Digests of a check's name and a rounded answer: the answer's own, then those of its neighbours.

    Neighbours are what the same answer may round to on another machine.
    """
    near: list[tuple[float, int, int]] = []
    parts: list[Any] = []
    _describe(answer, parts, near)
    # Those that are nearest to the border of a step.
    chosen = sorted(near)[:_NEAR]
    found = []
    for taken in itertools.product((False, True), repeat=len(chosen)):
        own = list(parts)
        for (_, place, other), other_one in zip(chosen, taken, strict=True):
            own[place] = other if other_one else own[place]
        found.append(hashlib.sha256(json.dumps([name, own]).encode()).digest())
    return found


def _cipher(secret: bytes, salt: bytes, cost: int) -> tuple[Any, bytes]:
    # Only a check that fails in a cell with hints needs these.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    made = Scrypt(salt=salt, length=_KEY + _NONCE, n=2**cost, r=8, p=1).derive(secret)
    # Each key is used for one text, so that its nonce may come from the same place.
    return AESGCM(made[:_KEY]), made[_KEY:]


def _opened(failed: CheckFailed) -> list[str]:
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        if line := _line_in(frame):
            return opened(line, failed.name, failed.answer)
        frame = frame.f_back
    return []


def _is_of_notebook(frame: types.FrameType) -> bool:
    return frame.f_globals.get("__name__") == "__main__"


def _line_in(frame: types.FrameType) -> str:
    """The sealed hints of the cell that a frame belongs to; empty if there are none."""
    if not _is_of_notebook(frame):
        return ""
    # IPython keeps the texts of cells there.
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    return next((line for line in lines if line.startswith(MARKER)), "")


def _size(value: Any) -> int:
    """How many things there are in an answer that many mistakes don't share."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return int(isinstance(value, (bool, int, float, str)))


def _describe(value: Any, parts: list[Any], near: list[tuple[float, int, int]]) -> None:
    """Appends what an answer is, with its numbers as steps; and which of these are near to another step."""
    if isinstance(value, torch.Tensor):
        parts += [str(value.dtype), *value.shape, "tensor"]
        value = torch.view_as_real(value) if value.is_complex() else value
        numbers = value.detach().cpu().flatten()
        # Of very many, these are enough.
        numbers = numbers[:: numbers.numel() // _MOST + 1]
        if value.is_floating_point():
            _steps(numbers.double().tolist(), parts, near)
        else:
            parts.extend(numbers.tolist())
    elif isinstance(value, float):
        parts.append("float")
        _steps([value], parts, near)
    elif isinstance(value, (list, tuple)):
        parts += [type(value).__name__, len(value)]
        if len(value) > 1 and all(type(one) is float for one in value):
            _steps(value, parts, near)
        else:
            for one in value:
                _describe(one, parts, near)
    elif isinstance(value, Mapping):
        parts += ["dict", len(value)]
        for key in sorted(value, key=str):
            parts.append(str(key))
            _describe(value[key], parts, near)
    elif value is None or isinstance(value, (bool, int, str)):
        parts += [type(value).__name__, value]
    else:
        parts.append(type(value).__name__)


def _steps(numbers: Sequence[float], parts: list[Any], near: list[tuple[float, int, int]]) -> None:
    """Numbers in thousandths of their size, or, where there are many, in hundredths."""
    size = max((abs(one) for one in numbers if math.isfinite(one)), default=0.0)
    # Where nothing but rounding is left, nothing is to be seen.
    size = max(size, 1e-6)
    exponent = round(math.log10(size))
    step = 10.0 ** (exponent - (2 if len(numbers) > _MANY else 3))
    parts.append(exponent)
    for one in numbers:
        if not math.isfinite(one):
            parts.append(str(one))
            continue
        exact = one / step + _SHIFT
        rounded = math.floor(exact + 0.5)
        border = exact + 0.5 - round(exact + 0.5)
        if abs(border) * step < _NOISE * size:
            near.append((abs(border), len(parts), rounded - 1 if border >= 0 else rounded + 1))
        parts.append(rounded)
