"""Keys and values kept from token to token: one more token of the student's model without reading all again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.figure import Figure

from dl1.contract.unfinished import explained
from dl1.notebook import runs

_LENGTHS, _FEW, _REPEATS = (32, 64, 128, 256, 512), (4, 8), 8
_SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 128, "vocab_size": 96}
_RATES = ("embd_pdrop", "resid_pdrop", "attn_pdrop")


class CachedReader:
    """Reads a text token by token with the parts of a GPT, and keeps the keys and values of what it has read.

    Args:
        model: the student's GPT, in eval mode; its parts have the names of Questions 2.2 to 2.5.

    Attributes:
        length: tokens so far.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.length = model, 0
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def read(self, token: torch.Tensor) -> torch.Tensor:
        """One more token of each text, (B, 1), int64: the logits of what follows, (B, V)."""
        parts = self.model.transformer
        x = parts["w_token_emb"](token)  # (B, 1, C)
        if self.model.abs_emb:
            x = x + parts["w_pos_emb"](torch.tensor([self.length], device=token.device))
        self.length += 1
        for layer, block in enumerate(parts["h"]):
            x = x + self._attend(layer, block.self_attention, block.layer_norm_1(x))
            x = x + block.mlpf(block.layer_norm_2(x))
        return self.model.lm_head(parts["ln_f"](x))[:, -1]

    def _attend(self, layer: int, attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
        B, _, C = x.shape
        heads = attention.c_attn(x).view(B, 1, 3, attention.n_head, C // attention.n_head)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, nh, 1, hs)
        if not attention.abs_emb:
            # The student's function turns from position 0 on, so the new token stands behind zeros.
            q, k = (F.pad(one, (0, 0, self.length - 1, 0)) for one in (q, k))
            q, k = (one[:, :, -1:] for one in attention.apply_rotary_emb(q, k, self.length))
        if layer == len(self.kept):
            self.kept.append((k, v))
        else:
            keys, values = self.kept[layer]
            self.kept[layer] = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        keys, values = self.kept[layer]  # (B, nh, T, hs)
        weights = (q @ keys.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)  # (B, nh, 1, T)
        return attention.c_proj((weights @ values).transpose(1, 2).reshape(B, 1, C))


@dataclass(frozen=True)
class CacheTimes:
    """What one more token costs after texts of several lengths.

    Attributes:
        lengths: tokens in front of it.
        again, cached: milliseconds where the whole text is read again, and where keys and values are kept.
        kept: megabytes of keys and values, in float32, of one text.
        difference: the largest one between both ways' logits, over all positions.
    """

    lengths: Sequence[int]
    again: list[float]
    cached: list[float]
    kept: list[float]
    difference: float

    def __str__(self) -> str:
        rows = [f"{'tokens so far':>13}{'all again, ms':>16}{'with cache, ms':>16}{'cache, MB':>12}"]
        for row in zip(self.lengths, self.again, self.cached, self.kept, strict=True):
            rows.append("{:13}{:16.1f}{:16.1f}{:12.2f}".format(*row))
        return "\n".join([*rows, f"the logits of both differ by {self.difference:.0e} at most"])


def measure_cache(make_gpt: Callable[[Any], nn.Module], make_config: Callable[..., Any], seed: int = 0) -> CacheTimes:
    """Time one more token with and without a cache, on a new model of the student's classes; a few seconds.

    While nbgrader validates or grades, short texts are read.

    Args:
        make_gpt: the student's GPT.
        make_config: the student's GPTConfig.
        seed: of weights and text; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
    """
    lengths = _FEW if runs.is_rerun() else _LENGTHS
    again, kept, times, differences = [], [], [], []
    with explained(), torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        config = make_config(**_SIZES, **dict.fromkeys(_RATES, 0.0), block_size=max(lengths) + _REPEATS)
        model = make_gpt(config).eval()
        idx = torch.randint(0, _SIZES["vocab_size"], (1, config.block_size))
        whole, reader = model(idx)[0], CachedReader(model)
        for place in range(config.block_size):
            if place in lengths:
                again.append(_quickest([_timed(model, idx[:, : place + 1]) for _ in range(_REPEATS)]))
                kept.append(sum(part.nbytes for pair in reader.kept for part in pair) / 1e6)
            start = time.perf_counter()
            logits = reader.read(idx[:, place : place + 1])
            times.append(1000 * (time.perf_counter() - start))
            differences.append((logits[0] - whole[place]).abs().max().item())
    cached = [_quickest(times[length : length + _REPEATS]) for length in lengths]
    return CacheTimes(lengths, again, cached, kept, max(differences))


def plot_cache(found: CacheTimes) -> Figure:
    """Milliseconds for one more token over the length of the text."""
    figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    axis.plot(found.lengths, found.again, "o-", color="#D55E00", label="the whole text is read again")
    axis.plot(found.lengths, found.cached, "o-", color="#0072B2", label="keys and values are kept")
    axis.set(xlabel="tokens so far", ylabel="ms for one more token", ylim=(0, None))
    axis.set_title("What the next token costs")
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def _timed(model: nn.Module, idx: torch.Tensor) -> float:
    start = time.perf_counter()
    model(idx)
    return 1000 * (time.perf_counter() - start)


def _quickest(values: list[float]) -> float:
    """The smallest: whatever else runs on a machine makes a call slower, never faster."""
    return min(values)
