"""The weights of a training's best point, which are what is kept of it: who trains for too long loses nothing."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn


class BestWeights:
    """Those of the point of a curve with the smallest validation loss so far, in half precision, as a run keeps them.

    Attributes:
        step: after which they were taken; 0 while there is no point.
        loss: of that point, in nats.
    """

    def __init__(self) -> None:
        self.step, self.loss = 0, math.inf
        self._weights: dict[str, torch.Tensor] = {}

    def offer(self, step: int, loss: float, model: nn.Module) -> None:
        """Take a copy of the model's weights, if this point is better than all before it; of equal ones, the first."""
        if loss < self.loss:
            self.step, self.loss = step, loss
            self._weights = {
                name: weight.detach().to(torch.half, copy=True) for name, weight in model.state_dict().items()
            }

    def put_into(self, model: nn.Module) -> None:
        """Give a model these weights; where there is no point yet, it stays as it is."""
        if self._weights:
            model.load_state_dict({name: weight.float() for name, weight in self._weights.items()})

    @contextlib.contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """For the time of a block the model has these weights; then its own again, to the last bit."""
        before = copy.deepcopy(model.state_dict())
        self.put_into(model)
        try:
            yield
        finally:
            model.load_state_dict(before)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"step": self.step, "loss": self.loss, "weights": self._weights}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._weights = dict(state["weights"])
        self.step, self.loss = int(state["step"]), float(state["loss"])
