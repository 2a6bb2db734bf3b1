"""Longer than in training: a model's loss by position, with three ways of telling it where a token stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.contract.unfinished import explained
from dl1.data.corpus import Corpus
from dl1.gpt.last_position_loss import last_position_loss, logits_after, spread_positions
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer
from dl1.notebook import runs
from dl1.notebook.devices import choose_device

KINDS = ("RoPE", "learned positions", "no positions")
_COLOURS = {"RoPE": "#0072B2", "learned positions": "#D55E00", "no positions": "#009E73"}
# Of the words "RoPE" and so on, what GPTConfig calls them; without positions the learned table is 0 and stays so.
_LEARNED = {"RoPE": False, "learned positions": True, "no positions": True}
# Measured: three trainings of 400 steps and the reading take 57 seconds of a single core.
_PROFILE = replace(PROFILES["quick"], steps=None)
_TRAINED, _LENGTH, _FEW_STEPS, _BATCH, _WINDOWS, _CROPPED_PER_TEXT = 64, 512, 2, 8, 64, 16


@dataclass(frozen=True)
class BeyondTraining:
    """What three models have lost at each position of texts that are longer than those of their training.

    Attributes:
        trained: length of the windows that they were trained on, in tokens.
        corpus: name of the text.
        steps: of each training.
        losses: by kind, in nats: (T,), the mean over texts.
        cropped: by kind, the loss of the same model where it is shown the last ``trained`` tokens and no more.
    """

    trained: int
    corpus: str
    steps: int
    losses: dict[str, torch.Tensor] = field(default_factory=dict)
    cropped: dict[str, float] = field(default_factory=dict)

    def stretches(self) -> list[tuple[int, int]]:
        """Positions from and to, for a table: each stretch is as long as all in front of it."""
        ends = [self.trained // 2]
        while ends[-1] < len(next(iter(self.losses.values()))):
            ends.append(2 * ends[-1])
        return list(zip([0, *ends], ends, strict=False))

    def __str__(self) -> str:
        lines = ["loss at positions " + "".join(f"{f'{a}–{b - 1}':>10}" for a, b in self.stretches()) + "   cropped"]
        for kind, losses in self.losses.items():
            means = "".join(f"{losses[a:b].mean().item():10.2f}" for a, b in self.stretches())
            lines.append(f"{kind:18}{means}{self.cropped[kind]:10.2f}")
        return "\n".join(lines)


def losses_beyond_training(
    make_gpt: Callable[[Any], nn.Module],
    make_config: Callable[..., Any],
    corpus: Corpus,
    steps: int = 400,
    seed: int = 0,
) -> BeyondTraining:
    """Train three small models on windows of 64 characters, and read texts of 512 with them: a minute on two cores.

    While nbgrader validates or grades, two steps are done and few texts are read.

    Args:
        make_gpt: the student's GPT.
        make_config: the student's GPTConfig.
        corpus: nine tenths are for training, the end is what is read.
        steps: of each training, 32 windows each.
        seed: of weights and windows, the same for all three; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the text is too short.
    """
    steps, texts = (_FEW_STEPS, _BATCH) if runs.is_rerun() else (steps, _WINDOWS)
    tokenizer, device = CharTokenizer.from_text(corpus.text), choose_device()
    training, unseen = (tokenizer.encode(part) for part in corpus.split())
    found = BeyondTraining(_TRAINED, corpus.name, steps)
    with explained(), torch.random.fork_rng(devices=[]), tqdm(total=len(KINDS) * steps, unit="step") as bar:
        for kind in KINDS:
            bar.set_description(kind)
            model = _new_model(kind, make_gpt, make_config, tokenizer.vocab_size, seed)
            # The table and the mask are made for long texts; windows are as long as this says.
            model.block_size = _TRAINED
            trainer = Trainer(model, training, _PROFILE, steps=steps, seed=seed, device=device)
            for _ in range(steps):
                trainer.step()
                bar.update()
            model.eval()
            positions = spread_positions(len(unseen), _TRAINED, _CROPPED_PER_TEXT * texts)
            found.cropped[kind] = last_position_loss(logits_after(model), unseen.to(device), positions, _TRAINED)
            model.block_size = _LENGTH
            found.losses[kind] = losses_by_position(model, unseen.to(device), _LENGTH, texts)
    return found


def losses_by_position(model: nn.Module, tokens: torch.Tensor, length: int, windows: int = _WINDOWS) -> torch.Tensor:
    """Cross-entropy at each position, in nats: (length,), on the CPU; the mean over windows, evenly spread over a text.

    Args:
        model: from (B, T), int64, to logits (B, T, V).
        tokens: (N,), int64, on the model's device.
        length: of a window.
        windows: how many; fewer where the text is too short.

    Raises:
        CourseError: the text has no window of this length and one more token.
    """
    starts = spread_positions(len(tokens), length, windows) - length
    chosen = tokens.unfold(0, length + 1, 1)[starts.to(tokens.device)]  # (windows, length + 1)
    total = torch.zeros(length)
    with torch.no_grad():
        for part in chosen.split(_BATCH):
            logits = model(part[:, :-1]).float()  # (B, T, V)
            total += F.cross_entropy(logits.transpose(1, 2), part[:, 1:], reduction="none").sum(0).cpu()
    return total / len(chosen)


def plot_beyond_training(found: BeyondTraining, width: int = 16) -> Figure:
    """Loss over the position, each point the mean of some neighbours, and where the training ended."""
    figure, axis = plt.subplots(figsize=(8.5, 4), layout="constrained")
    for kind, losses in found.losses.items():
        means = losses[: len(losses) // width * width].view(-1, width).mean(1)
        places = width * (torch.arange(len(means)) + 0.5)
        axis.plot(places, means, color=_COLOURS[kind], label=kind)
        axis.axhline(found.cropped[kind], color=_COLOURS[kind], linestyle=":", linewidth=1)
    axis.axvspan(0, found.trained, color="#8A949E", alpha=0.25, label=f"trained on: {found.trained} characters")
    axis.plot([], [], color="#5B6570", linestyle=":", linewidth=1, label=f"the last {found.trained} characters only")
    axis.set(xlabel="position in the text", ylabel="cross-entropy (nats per character)", xlim=(0, None))
    axis.set_title(f"Longer than in training ({found.corpus}, {found.steps} steps each)")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _new_model(kind: str, make_gpt: Callable, make_config: Callable, vocab_size: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    rates = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), 0.0)
    sizes = {"n_layer": 3, "n_head": 3, "n_embd": 48, "vocab_size": vocab_size, "block_size": _LENGTH}
    model = make_gpt(make_config(**sizes, **rates, abs_emb=_LEARNED[kind]))
    if kind == "no positions":
        table = model.transformer["w_pos_emb"].weight.requires_grad_(False)
        nn.init.zeros_(table)
    return model
