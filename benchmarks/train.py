"""Training speed of the language model: the kit's loop against two that others would write.

    python benchmarks/train.py                              its own model, sizes of the profile; two minutes
    python benchmarks/train.py --module gpt.py              the student's model, as 2a exports it
    python benchmarks/train.py --profile full --device cuda

Needs PyTorch, NumPy and this repository, nothing else. All loops train the same model, from the same first weights,
with batches of the same size; they take turns, and the median of the turns is compared. The two others are:

plain      what a course's first version looks like: a DataLoader over a list of numbers, item by item, attention step
           by step, float32, accuracy counted sample by sample.
speedrun   what is written for speed: numbers in a memory-mapped file, batches gathered at random, pinned memory and
           torch.compile on a GPU, mixed precision on a GPU, fused attention and AdamW. Its last line of results is the
           same with the kit's precision on a CPU, too.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dl1.gpt.student_module import load_module
from dl1.gpt.training import (
    BETAS,
    CLIP,
    PROFILES,
    WEIGHT_DECAY,
    Profile,
    Trainer,
    fused_attention_pays,
)
from dl1.notebook.devices import choose_device, choose_dtype, device_name

VOCABULARY, LENGTH = 80, 520_000
# Multiplications and additions of a second, dense bfloat16 or float16, as the makers state them.
PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "A10": 125e12, "L4": 121e12, "T4": 65e12}


@dataclass
class GPTConfig:
    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int
    block_size: int
    embd_pdrop: float
    resid_pdrop: float
    attn_pdrop: float
    use_flash_attn: bool = False

    @classmethod
    def preset(cls, name: str, **changes: Any) -> GPTConfig:
        layers, heads, width = {"gpt-nano": (3, 3, 48), "gpt-micro": (4, 4, 128), "gpt-mini": (6, 6, 384)}[name]
        return cls(layers, heads, width, **changes)


class Attention(nn.Module):
    """Causal, with rotary positions."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config, size = config, config.n_embd // config.n_head
        self.into, self.out = nn.Linear(config.n_embd, 3 * config.n_embd), nn.Linear(config.n_embd, config.n_embd)
        self.drop, self.drop_output = nn.Dropout(config.attn_pdrop), nn.Dropout(config.resid_pdrop)
        angles = torch.outer(torch.arange(config.block_size), 10_000.0 ** (-torch.arange(0, size, 2) / size))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        mask = torch.ones(config.block_size, config.block_size, dtype=torch.bool).tril()
        self.register_buffer("mask", mask, persistent=False)

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)  # each (B, nh, T, hs / 2)
        cos, sin = self.cos[: x.shape[2]], self.sin[: x.shape[2]]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.into(x).unflatten(-1, (3, self.config.n_head, -1))  # (B, T, 3, nh, hs)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, nh, T, hs)
        q, k = self.turned(q), self.turned(k)
        if self.config.use_flash_attn:
            rate = self.drop.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, nh, T, T)
            scores = scores.masked_fill(~self.mask[: x.shape[1], : x.shape[1]], float("-inf"))
            y = self.drop(scores.softmax(-1)) @ v
        return self.drop_output(self.out(y.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width = config.n_embd
        self.norm_1, self.attention = nn.RMSNorm(width, 1e-6), Attention(config)
        self.norm_2, self.drop = nn.RMSNorm(width, 1e-6), nn.Dropout(config.resid_pdrop)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.drop(self.mlp(self.norm_2(x)))


class GPT(nn.Module):
    """The architecture of notebook 2a, in as few lines as it takes."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.block_size = config.block_size
        self.embedding, self.drop = nn.Embedding(config.vocab_size, config.n_embd), nn.Dropout(config.embd_pdrop)
        self.blocks = nn.Sequential(*[Block(config) for _ in range(config.n_layer)])
        self.norm, self.head = nn.RMSNorm(config.n_embd, 1e-6), nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.drop(self.embedding(idx)))))


class Windows(Dataset):
    """A list of numbers, from which each item makes two tensors."""

    def __init__(self, numbers: list[int], block_size: int) -> None:
        self.numbers, self.block_size = numbers, block_size

    def __len__(self) -> int:
        return len(self.numbers) - self.block_size

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        window = self.numbers[i : i + self.block_size + 1]
        return torch.tensor(window[:-1]), torch.tensor(window[1:])


def plain_loop(model: nn.Module, tokens: torch.Tensor, profile: Profile, device: str) -> Callable[[], torch.Tensor]:
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=BETAS, weight_decay=WEIGHT_DECAY)
    loader = DataLoader(Windows(tokens.tolist(), model.block_size), profile.batch_size, shuffle=True, drop_last=True)
    batches, right = _forever(loader), 0

    def step() -> torch.Tensor:
        nonlocal right
        inputs, targets = (part.to(device) for part in next(batches))
        logits = model(inputs)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        for sample in range(len(inputs)):
            right += (logits[sample].argmax(-1) == targets[sample]).sum().item()
        return loss

    return step


def speedrun_loop(
    model: nn.Module, tokens: torch.Tensor, profile: Profile, device: str, file: Path, dtype: torch.dtype
) -> Callable[[], torch.Tensor]:
    model.to(device).train()
    tokens.numpy().astype(numpy.uint16).tofile(file)
    matrices = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4, betas=BETAS, fused=True)
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    forward = torch.compile(model) if device == "cuda" else model
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        numbers = numpy.memmap(file, dtype=numpy.uint16, mode="r")
        starts = torch.randint(len(numbers) - model.block_size, (profile.batch_size,)).tolist()
        windows = [numbers[start : start + model.block_size + 1].astype(numpy.int64) for start in starts]
        x = torch.stack([torch.from_numpy(window[:-1]) for window in windows])
        y = torch.stack([torch.from_numpy(window[1:]) for window in windows])
        if device == "cuda":
            return x.pin_memory().to(device, non_blocking=True), y.pin_memory().to(device, non_blocking=True)
        return x.to(device), y.to(device)

    upcoming = batch()

    def step() -> torch.Tensor:
        nonlocal upcoming
        x, y = upcoming
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            logits = forward(x)
            loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))
        upcoming = batch()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def measure(steps: dict[str, Callable[[], torch.Tensor]], device: str, turns: int, seconds: float) -> dict[str, list]:
    """Seconds per step of each loop in each turn; the loops' order changes from turn to turn."""
    for step in steps.values():
        # What is loaded, compiled or chosen in the first steps is not measured.
        for _ in range(3):
            step().item()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(turns):
        for name in random.sample(list(steps), len(steps)):
            count, started = 0, time.perf_counter()
            while count < 2 or time.perf_counter() - started < seconds:
                loss = steps[name]()
                count += 1
            loss.item()
            found[name].append((time.perf_counter() - started) / count)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", type=Path, help="has GPT and GPTConfig (default: a model of this script)")
    parser.add_argument("--profile", choices=list(PROFILES), help="default: full with a GPU, else quick")
    parser.add_argument("--preset", help="default: the profile's")
    parser.add_argument("--dropout", type=float, help="default: the profile's")
    parser.add_argument("--device", help="default: the GPU, if there is one")
    parser.add_argument("--turns", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4, help="of each loop in each turn (default: %(default)s)")
    options = parser.parse_args()
    device = choose_device(options.device)
    profile = PROFILES[options.profile or ("full" if device == "cuda" else "quick")]
    module = load_module(options.module) if options.module else SimpleNamespace(GPT=GPT, GPTConfig=GPTConfig)
    rate = profile.dropout if options.dropout is None else options.dropout

    def model(fused: bool) -> nn.Module:
        return _model(module, options.preset or profile.preset, profile.block_size, rate, fused)

    # The speed doesn't depend on what is written; the numbers of a text are as good as any.
    tokens = torch.randint(VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(0))
    kit = Trainer(model(fused_attention_pays(device)), tokens, profile, steps=10**6, device=device)
    narrow = choose_dtype(device)
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            "kit": kit.step,
            "plain": plain_loop(model(False), tokens, profile, device),
            "speedrun": speedrun_loop(
                model(True), tokens, profile, device, Path(folder) / "a", torch.float32 if device == "cpu" else narrow
            ),
        }
        if device == "cpu" and narrow != torch.float32:
            file = Path(folder) / "b"
            steps["speedrun, bfloat16"] = speedrun_loop(model(True), tokens, profile, device, file, narrow)
        found = measure(steps, device, options.turns, options.seconds)
    _report(found, kit, device, options)


def _report(found: dict[str, list], kit: Trainer, device: str, options: argparse.Namespace) -> None:
    model = kit.model
    print(
        f"{device_name(device)}, torch {torch.__version__}: {sum(map(torch.numel, model.parameters())):,} parameters, "
        f"batches of {kit.profile.batch_size} windows of {kit.block_size}; the kit computes in {kit.dtype_name}, "
        f"{'compiled' if kit.compiled else 'not compiled'}, attention: {kit.attention()}"
    )
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in found.items():
        # Turn by turn, so that what disturbs the machine for a while disturbs both sides of a ratio.
        ratio = statistics.median(other / own for other, own in zip(seconds, found["kit"], strict=True))
        speed = kit.tokens_per_step / medians[name]
        milliseconds = 1e3 * medians[name]
        print(f"{name:20} {speed:12,.0f} tokens/s {milliseconds:9.1f} ms a step   kit: {ratio:5.2f} times as fast")
        line = {"loop": name, "tokens_per_second": round(speed), "kit_ratio": round(ratio, 3), "turns": len(seconds)}
        print(json.dumps({**line, "device": device_name(device), "module": str(options.module or "own")}))
    width = next(layer.embedding_dim for layer in model.modules() if isinstance(layer, nn.Embedding))
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    # Forward and backward: 6 operations per weight, and for each layer's two products over all T positions 12 T C.
    layers = sum(layer.out_features == 3 * width for layer in linear)
    work = 6 * sum(layer.weight.numel() for layer in linear) + 12 * layers * kit.block_size * width
    rate = work * kit.tokens_per_step / medians["kit"]
    print(f"the kit's loop: {rate / 1e12:.3f} TFLOP/s of the model's own arithmetic")
    peak = next((peak for name, peak in PEAKS.items() if device == "cuda" and name in device_name(device)), None)
    if peak:
        print(f"that is {rate / peak:.1%} of {peak / 1e12:.0f} TFLOP/s, the device's peak (model-FLOPs utilisation)")


def _model(module: ModuleType | SimpleNamespace, preset: str, block_size: int, rate: float, fused: bool) -> nn.Module:
    torch.manual_seed(0)
    rates = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), rate)
    sizes = {"vocab_size": VOCABULARY, "block_size": block_size, "use_flash_attn": fused, **rates}
    return module.GPT(module.GPTConfig.preset(preset, **sizes))


def _forever(loader: DataLoader) -> Iterator[list[torch.Tensor]]:
    while True:
        yield from loader


if __name__ == "__main__":
    main()
