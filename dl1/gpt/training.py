"""Training of a language model: windows gathered on the device, AdamW, mixed precision, state that can be resumed.

Needs PyTorch alone, so that it can be measured on any machine; what is kept of a training is in :mod:`dl1.gpt.runs`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from dl1.errors import CourseError
from dl1.gpt.last_position_loss import spread_positions
from dl1.notebook.devices import choose_dtype

BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.95), 0.1, 1.0
# Of the largest learning rate: where the cosine ends. Warm-up is a share of all steps.
_LAST_RATE, _WARM_UP = 0.1, 1 / 15
# A compilation takes about a minute: shorter trainings end sooner without.
_WORTH_COMPILING = 2_000


@dataclass(frozen=True)
class Profile:
    """How a model is trained, and which one :func:`dl1.gpt.student_module.build_gpt` makes for it.

    Attributes:
        preset: of GPTConfig.
        block_size: in tokens.
        dropout: at all three places.
        batch_size: windows per step.
        learning_rate: the largest.
        cosine: whether the rate rises at the beginning and falls along a cosine, as in both profiles; else it is
            constant, as in fine-tuning.
        epochs: passes over all windows of the text.
        steps: in place of epochs.
    """

    preset: str
    block_size: int
    dropout: float
    batch_size: int
    learning_rate: float
    cosine: bool
    epochs: float = 1
    steps: int | None = None

    def count_steps(self, length: int, block_size: int) -> int:
        """Steps of a training on a text of so many tokens."""
        return self.steps or math.ceil(self.epochs * (length - block_size) / self.batch_size)


# Measured: the quick profile takes 235 to 265 seconds of a single core.
PROFILES = {
    "quick": Profile("gpt-micro", 64, 0.0, 32, 4e-3, True, steps=1_200),
    "full": Profile("gpt-mini", 128, 0.1, 128, 5e-4, True, epochs=5),
}


def fused_attention_pays(device: str) -> bool:
    """Whether a step is faster with fused attention than step by step.

    Not on a CPU, in the models of this course: measured with gpt-micro in bfloat16 at 64 to 512 tokens, a step takes 9
    to 30 % less time without. The backward pass of PyTorch's kernel is what is slow.
    """
    return device != "cpu"


class WindowOrder:
    """Which windows each step takes: all starts of an epoch once, in an order that a seed and its number decide.

    Only the current epoch's permutation is kept, and a step's windows depend on nothing but the step, so that a resumed
    training goes on in the same order.
    """

    def __init__(self, windows: int, batch_size: int, seed: int, device: str) -> None:
        self.windows, self.batch_size, self.seed, self.device = windows, batch_size, seed, device
        self._epoch, self._starts = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> torch.Tensor:
        """Starts of the windows of a step, counted from 0: (B,), int64. A batch may go over an epoch's end."""
        epoch, first = divmod(step * self.batch_size, self.windows)
        starts = self._permutation(epoch)[first : first + self.batch_size]
        while len(starts) < self.batch_size:
            epoch += 1
            starts = torch.cat([starts, self._permutation(epoch)[: self.batch_size - len(starts)]])
        return starts

    def _permutation(self, epoch: int) -> torch.Tensor:
        if epoch != self._epoch:
            # On the CPU, whose generator gives the same numbers on every machine.
            generator = torch.Generator().manual_seed(self.seed + 1_000 * epoch)
            self._starts = torch.randperm(self.windows, generator=generator).to(self.device)
            self._epoch = epoch
        return self._starts


class Trainer:
    """A training that is under way.

    Attributes:
        done: steps so far.
        steps: of the whole training.
        dtype: of the matrix products.
        compiled: whether ``torch.compile`` is used.

    Args:
        model: from (B, T), int64, to logits (B, T, V); moved to the device and trained in place.
        tokens: the training text (N,), int64; it stays on the device, and windows are views of it.
        profile: batch size, learning rate and schedule; windows are as long as the model's ``block_size``.
        steps: of the whole training; those of the profile, if left out.
        seed: of the order of the windows and of dropout.
        device: of torch.
    """

    def __init__(
        self,
        model: nn.Module,
        tokens: torch.Tensor,
        profile: Profile,
        steps: int | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.model, self.profile, self.device = model.to(device), profile, device
        self.block_size = model.block_size
        self.windows = _windows(tokens.to(device), self.block_size)
        self.order = WindowOrder(len(self.windows), profile.batch_size, seed, device)
        self.steps = steps or profile.count_steps(len(tokens), self.block_size)
        self.done = 0
        self.dtype = choose_dtype(device)
        self.optimizer = make_optimizer(model, profile.learning_rate, device)
        self.scaler = torch.amp.GradScaler(device, enabled=self.dtype == torch.float16)
        torch.manual_seed(seed)
        self._forward, self.compiled = model, False
        if device == "cuda" and self.steps >= _WORTH_COMPILING:
            self._compile()

    @property
    def tokens_per_step(self) -> int:
        return self.profile.batch_size * self.block_size

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def learning_rate(self, step: int) -> float:
        """Of a step, counted from 0."""
        if not self.profile.cosine:
            return self.profile.learning_rate
        warm_up = max(1, round(self.steps * _WARM_UP))
        if step < warm_up:
            return self.profile.learning_rate * (step + 1) / warm_up
        turn = math.cos(math.pi * (step - warm_up) / max(1, self.steps - warm_up))
        return self.profile.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * (1 + turn) / 2)

    def step(self) -> torch.Tensor:
        """One step of the optimizer; the batch's mean loss in nats, on the device, so that nobody waits for it."""
        self.model.train()
        window = self.windows[self.order.batch(self.done)]  # (B, T + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.done)
        with tensor_float(self.device):
            loss = self._loss(self._forward, window)
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.done += 1
        return loss.detach()

    @torch.no_grad()
    def validation_loss(self, tokens: torch.Tensor, windows: int = 128) -> float:
        """Mean loss over all tokens of some windows, evenly spread over a text: to compare with a batch's.

        Args:
            tokens: the validation text (N,), int64.
            windows: how many; fewer where the text is too short.
        """
        self.model.eval()
        starts = spread_positions(len(tokens), self.block_size, windows) - self.block_size
        chosen = tokens.unfold(0, self.block_size + 1, 1)[starts].to(self.device)  # (windows, T + 1)
        losses = [self._loss(self.model, part).item() * len(part) for part in chosen.split(self.profile.batch_size)]
        return sum(losses) / len(chosen)

    def check_finite(self, loss: float) -> None:
        """Raises CourseError if a loss of the last step is infinite or no number."""
        if not math.isfinite(loss):
            raise CourseError(
                f"the loss is {loss} after step {self.done:,}: train again with a smaller learning rate, such as "
                f"learning_rate={self.profile.learning_rate / 4:g}"
            )

    def state(self) -> dict[str, Any]:
        """All that a training depends on, for ``torch.save``."""
        generators = {"cpu": torch.get_rng_state()}
        if self.device != "cpu":
            generators[self.device] = getattr(torch, self.device).get_rng_state()
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "done": self.done,
            "generators": generators,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same training.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: it is none of this model.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.done = int(state["done"])
        torch.set_rng_state(state["generators"]["cpu"])
        if self.device in state["generators"] and self.device != "cpu":
            getattr(torch, self.device).set_rng_state(state["generators"][self.device])

    def attention(self) -> str:
        """How attention is computed in a step: the kernels that PyTorch chose, or "step by step"."""
        batch = self.windows[self.order.batch(self.done)]
        self.model.train()
        with self._generators_kept(), _FusedCalls() as calls, _FusedKernels() as kernels:
            self._loss(self.model, batch)
        # The math kernel is made of other operators, and has no name of its own.
        return ", ".join(sorted(kernels.seen)) or ("math" if calls.count else "step by step")

    def _loss(self, forward: nn.Module, window: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            logits = forward(window[:, :-1])  # (B, T, V)
        return F.cross_entropy(logits.float().flatten(0, 1), window[:, 1:].flatten())

    def _generators_kept(self) -> contextlib.AbstractContextManager:
        devices = [torch.cuda.current_device()] if self.device == "cuda" else []
        return torch.random.fork_rng(devices=devices)

    def _compile(self) -> None:
        compiled = torch.compile(self.model)
        try:
            with self._generators_kept(), tensor_float(self.device):
                self._loss(compiled, self.windows[self.order.batch(0)]).backward()
        # There are as many kinds of failure as compilers; training works without.
        except Exception as error:
            print(f"torch.compile does not work here ({type(error).__name__}): trained without it, which is slower")
            return
        finally:
            self.optimizer.zero_grad()
        self._forward, self.compiled = compiled, True


def _windows(tokens: torch.Tensor, block_size: int) -> torch.Tensor:
    """All windows of a text (N,): (N - T, T + 1), a view; the input is all but the last token, the target all but the
    first."""
    if len(tokens) <= block_size:
        raise CourseError(f"a text of {len(tokens):,} tokens has no window of {block_size} and one more token")
    return tokens.unfold(0, block_size + 1, 1)


class _FusedCalls(TorchFunctionMode):
    """Counts the calls of PyTorch's fused attention."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


class _FusedKernels(TorchDispatchMode):
    """Notes the names of the kernels behind them, such as "flash_attention"."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, prefix = func.__name__.partition(".")[0], "_scaled_dot_product_"
        if name.startswith(prefix) and not name.endswith("_backward"):
            self.seen.add(name.removeprefix(prefix))
        return func(*args, **(kwargs or {}))


def make_optimizer(model: nn.Module, learning_rate: float, device: str) -> torch.optim.AdamW:
    """AdamW in which only the weights of linear layers decay, as in GPT-2 and its successors."""
    decaying = {layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)}
    others = [weight for weight in model.parameters() if weight not in decaying]
    groups = [{"params": [weight for weight in model.parameters() if weight in decaying]}, {"params": others}]
    groups[0]["weight_decay"], groups[1]["weight_decay"] = WEIGHT_DECAY, 0.0
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, fused=device in ("cpu", "cuda"))


@contextlib.contextmanager
def tensor_float(device: str) -> Iterator[None]:
    """Products of float32 matrices in TensorFloat-32 on a CUDA device, for the time of a block."""
    before = torch.get_float32_matmul_precision()
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        if device == "cuda":
            torch.set_float32_matmul_precision(before)
