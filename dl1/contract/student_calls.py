"""Calling the student's own code from a demo: each of its errors becomes one line, and a model gets its modes back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn as nn

from dl1.contract.unfinished import explained
from dl1.errors import CourseError

_LONGEST = 300


@contextlib.contextmanager
def in_one_line(call: str) -> Iterator[None]:
    """Lets whatever the student's code raises in the block be one readable line.

    Args:
        call: how the message names what was called, such as "generate".

    Raises:
        CourseError: the block raised an exception; the message says which, or what is not finished.
    """
    try:
        with explained():
            yield
    except CourseError:
        raise
    except NotImplementedError as error:
        raise CourseError(f"nothing to show yet: {error}") from None
    # A demo must not end in the traceback of a mistake that the checks of the answer report in full.
    except Exception as error:
        words = " ".join(str(error).split())[:_LONGEST]
        raise CourseError(f"{call} stopped with {type(error).__name__}{': ' if words else ''}{words}") from None


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """The model in eval mode and without gradients; yields the device of its weights.

    Afterwards each part is in the mode in which it was, also where they differed.
    """
    modes = [(part, part.training) for part in model.modules()]
    weight = next(model.parameters(), None)
    model.eval()
    try:
        with torch.no_grad():
            yield torch.device("cpu") if weight is None else weight.device
    finally:
        for part, was_training in modes:
            part.training = was_training
