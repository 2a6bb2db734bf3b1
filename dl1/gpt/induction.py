"""How an induction head forms: two layers of a student's GPT learn texts of random letters that say everything again.

Nothing but the text itself tells what comes next, and only from the second time on. How long it takes until it begins
anew is drawn for each text, so looking back by a fixed distance doesn't help: the model has to look for the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.contract.unfinished import explained
from dl1.errors import CourseError
from dl1.gpt.head_roles import head_name, largest, mean_weight, removal, token_losses
from dl1.gpt.training import CLIP, make_optimizer
from dl1.notebook import runs

_LETTERS, _LENGTH, _BATCH, _RATE, _WARM_UP = 26, 32, 64, 3e-3, 50
_SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 64, "vocab_size": _LETTERS, "block_size": _LENGTH}
_RATES = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), 0.0)
# Of the texts that are looked at: what is said again.
_PERIOD, _LOOKED_AT, _EVERY, _FEW_STEPS = 12, 8, 25, 2
_FIRST, _AGAIN, _PREVIOUS, _INDUCTION = "#7A828A", "#0072B2", "#009E73", "#D55E00"


@dataclass(frozen=True)
class Induction:
    """A training, and what its heads do afterwards; printed, what removing them costs.

    Attributes:
        steps: after which was looked.
        first, again: loss at each of them, where a letter can't be known and where it was said before, in nats.
        previous, induction: (steps, L, n_head): mean weight on the letter before, and on what followed last time.
        whole: loss of the trained model where letters are said again.
        without: (L, n_head): the same without each head.
    """

    steps: list[int]
    first: list[float]
    again: list[float]
    previous: torch.Tensor
    induction: torch.Tensor
    whole: float
    without: torch.Tensor

    def __str__(self) -> str:
        back, again = largest(self.previous[-1]), largest(self.induction[-1])
        return (
            f"letters that are said again: {self.whole:.2f} nats (guessing: {torch.tensor(_LETTERS).log():.2f})\n"
            f"{head_name(back)} puts {self.previous[-1][back]:.0%} of its weight on the letter before; "
            f"without it {self.without[back]:.2f}\n"
            f"{head_name(again)} puts {self.induction[-1][again]:.0%} on what followed last time; "
            f"without it {self.without[again]:.2f}"
        )


def watch_induction(module: ModuleType, steps: int = 400, seed: int = 0) -> Induction:
    """Train a model of two layers on repeated letters, and look at its heads on the way; under a minute on two cores.

    While nbgrader validates or grades, two steps are done.

    Args:
        module: has GPT and GPTConfig, such as the module that 2a exports.
        steps: with 64 texts of 32 letters each.
        seed: of weights and letters; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the model fails, or steps is not larger than 0.
    """
    if steps < 1:
        raise CourseError("steps must be larger than 0")
    steps = min(steps, _FEW_STEPS) if runs.is_rerun() else steps
    with explained(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = module.GPT(module.GPTConfig(**_SIZES, **_RATES, use_flash_attn=False, abs_emb=False))
        shown = _looked_at()
        optimizer, curves = make_optimizer(model, _RATE, "cpu"), ([], [], [], [], [])
        for step in tqdm(range(steps + 1), desc="repeated letters", leave=False):
            if step % _EVERY == 0 or step == steps:
                losses = token_losses(model, shown)  # (N, T)
                previous, induction = (mean_weight(model, shown[:, :-1], far) for far in (1, _PERIOD - 1))
                row = step, losses[:, : _PERIOD - 1].mean().item(), _again(losses), previous, induction
                for values, value in zip(curves, row, strict=True):
                    values.append(value)
            if step < steps:
                for group in optimizer.param_groups:
                    group["lr"] = _RATE * min(1.0, (step + 1) / _WARM_UP)
                window = _texts(_BATCH)
                logits = model.train()(window[:, :-1])  # (B, T, V)
                optimizer.zero_grad()
                F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten()).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimizer.step()
        without = removal(model, curves[3][-1].shape, lambda: _again(token_losses(model, shown)))
    return Induction(*curves[:3], torch.stack(curves[3]), torch.stack(curves[4]), curves[2][-1], without)


def plot_induction(found: Induction) -> Figure:
    """Losses and scores over the steps, and the loss without each head."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), width_ratios=[1.25, 1.25, 1], layout="constrained")
    back, again = largest(found.previous[-1]), largest(found.induction[-1])
    axes[0].plot(found.steps, found.first, color=_FIRST, label="the first time: nobody can know")
    axes[0].plot(found.steps, found.again, color=_AGAIN, label="said again")
    axes[0].set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
    axes[0].set_title("The loss on repeated letters", fontsize=10)
    axes[1].plot(
        found.steps, found.previous[:, back[0], back[1]], color=_PREVIOUS, label=f"{head_name(back)}: letter before"
    )
    label = f"{head_name(again)}: what followed last time"
    axes[1].plot(found.steps, found.induction[:, again[0], again[1]], color=_INDUCTION, label=label)
    axes[1].set(xlabel="step", ylabel="mean attention weight", ylim=(0, 1.3))
    axes[1].set_title("Two heads that find a job", fontsize=10)
    for axis in axes[:2]:
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper left" if axis is axes[1] else "center right")
    names = ["none removed"] + [
        head_name((layer, head)) for layer in range(len(found.without)) for head in range(found.without.shape[1])
    ]
    colours = {head_name(back): _PREVIOUS, head_name(again): _INDUCTION}
    values = [found.whole, *found.without.flatten().tolist()]
    axes[2].barh(names, values, color=[colours.get(name, _AGAIN) for name in names])
    axes[2].bar_label(axes[2].containers[0], fmt=" %.2f", fontsize=8)
    axes[2].invert_yaxis()
    axes[2].set(xlabel="loss, said again (nats)", xlim=(0, 1.25 * max(values)))
    axes[2].set_title("… without one head", fontsize=10)
    return figure


def _texts(count: int) -> torch.Tensor:
    """(N, T + 1) random letters that begin anew after a period of their own: a quarter to a half of the length."""
    letters = torch.randint(_LETTERS, (count, _LENGTH + 1))
    periods = torch.randint(_LENGTH // 4, _LENGTH // 2 + 1, (count, 1))
    return letters.gather(1, torch.arange(_LENGTH + 1)[None] % periods)


def _looked_at() -> torch.Tensor:
    """Texts in which no letter occurs twice before they begin anew: then there is one right place to look at."""
    once = torch.stack([torch.randperm(_LETTERS)[:_PERIOD] for _ in range(_LOOKED_AT)])
    return once.repeat(1, _LENGTH // _PERIOD + 1)[:, : _LENGTH + 1]


def _again(losses: torch.Tensor) -> float:
    """Mean loss where the letter, and the one before it, were said before; from (N, T)."""
    return losses[:, _PERIOD:].mean().item()
