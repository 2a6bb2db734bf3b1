"""What makes a training step faster, measured on this machine: attention, precision, compilation, batch size."""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.contract.unfinished import explained
from dl1.errors import CourseError
from dl1.gpt.training import make_optimizer
from dl1.notebook import runs
from dl1.notebook.devices import choose_device, choose_dtype, device_name

EXPERIMENT = "2b_gpt_training"
COLUMNS = ("tokens/s", "ratio", "peak memory (MB)", "compilation (s)", "note")
BASELINE = "step by step, float32"
_NUMBERS = COLUMNS[:-1]
_LEARNING_RATE = 1e-4
_LARGER = 4
_WARM_UP, _FEWEST_ROUNDS, _MOST_ROUNDS = 2, 3, 40
# Shorter than this, a measurement is mostly noise of the clock and of the launch of kernels.
_BLOCK_SECONDS = 0.05
_BROKEN = "delete this file, then run the cell again"


def measure_optimizations(
    make_model: Callable[..., nn.Module],
    seconds: float = 20.0,
    batch_size: int = 16,
    device: str | None = None,
) -> pd.DataFrame:
    """Training speed and memory with one optimization after the other, each on top of those before.

    A row is a whole step of training: forward and backward pass and AdamW, on random tokens, because the speed doesn't
    depend on what they are. All rows are warmed up first and then measured in turns, so that whatever else the machine
    does meets all of them; a row's speed is the median. The table is kept in ``runs/2b_gpt_training``, as
    ``optimizations.json``. While nbgrader validates or grades, nothing is measured: that file is shown.

    Args:
        make_model: called with ``use_flash_attn=False`` and ``use_flash_attn=True``; gives a model from (B, T), int64,
            to logits (B, T, V), with T up to ``block_size``.
        seconds: for measuring, about; compilation, half a minute on two CPU cores, comes on top.
        batch_size: windows per step; four times as many in the last row.
        device: of torch; the GPU, if there is one, if left out.

    Returns:
        A row per optimization. "ratio" is the speed over that of the first row. "peak memory (MB)", in 10^6 bytes, is
        what tensors take at the fullest moment of a step: weights, gradients, the optimizer's state and what the
        backward pass needs. "compilation (s)" is what the first step took longer than others; PyTorch keeps compiled
        code, so it is less in a second measurement. Where a row has no numbers, "note" says why.

    Raises:
        CourseError: there is no such device, a size makes no sense, or the kept file is damaged.
        NotImplementedError: the model is not finished; its text names the part.
    """
    path = runs.run_folder(EXPERIMENT) / "optimizations.json"
    if runs.is_rerun():
        return _kept(path)
    if batch_size < 1 or seconds <= 0:
        raise CourseError("batch_size and seconds must be larger than 0")
    device = choose_device(device)
    own = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=own), tqdm(total=5, desc="optimizations", leave=False) as bar:
        rows, about = _prepare_rows(make_model, batch_size, device, bar)
        _measure(rows, seconds, bar)
    records = [row.record(rows[0]) for row in rows]
    runs.save_result(path, {"machine": about, "rows": records})
    return _as_table(about, records)


def plot_optimizations(table: pd.DataFrame) -> Figure:
    """The table's speeds as bars, with ratio and memory beside them, or why there is no bar."""
    figure, axis = plt.subplots(figsize=(7.6, 0.9 + 0.5 * max(len(table), 2)), layout="constrained")
    if not len(table):
        axis.text(0.5, 0.5, "no measurements", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return figure
    speeds = table["tokens/s"].fillna(0)
    axis.barh(range(len(table)), speeds, 0.6, color="#0072B2")
    for place, (_, row) in enumerate(table.iterrows()):
        words = row["note"]
        if not math.isnan(row["tokens/s"]):
            memory = row["peak memory (MB)"]
            words = f"×{row['ratio']:.2f}" + ("" if math.isnan(memory) else f", {memory:,.0f} MB")
        axis.text(row["tokens/s"] if speeds.iloc[place] else 0, place, f" {words}", va="center", fontsize=8)
    axis.set_yticks(range(len(table)), table.index)
    # Room for the words beside the longest bar.
    axis.set(xlim=(0, 1.3 * max(speeds.max(), 1)), ylim=(len(table) - 0.5, -0.5), xlabel="tokens per second")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_title(f"One training step: {table.attrs.get('machine', '')}".rstrip(": "), fontsize=9)
    return figure


@dataclass
class _Row:
    """A way to compute a step, or why there is none."""

    name: str
    device: str
    batch_size: int
    dtype: torch.dtype = torch.float32
    model: nn.Module | None = None
    forward: Any = None
    optimizer: Any = None
    scaler: Any = None
    vocab_size: int = 0
    note: str = ""
    memory: float | None = None
    compilation: float | None = None
    step_seconds: float = 0.0
    speeds: list[float] = field(default_factory=list)

    @property
    def compiled(self) -> bool:
        return self.forward is not self.model

    @property
    def block_steps(self) -> int:
        return max(1, round(_BLOCK_SECONDS / self.step_seconds))

    def step(self) -> None:
        window = self.window  # (B, T + 1)
        inputs = window[:, :-1]
        if self.compiled:
            # Else the larger batch would be compiled once more.
            torch._dynamo.maybe_mark_dynamic(inputs, 0)
        self.optimizer.zero_grad()
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.forward(inputs)  # (B, T, V)
        loss = F.cross_entropy(logits.float().flatten(0, 1), window[:, 1:].flatten())
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def warm_up(self) -> float:
        """Find out how long a step takes and what memory it needs; by how many seconds the first one was longer."""
        generator = torch.Generator().manual_seed(0)
        size = (self.batch_size, self.model.block_size + 1)
        self.window = torch.randint(self.vocab_size, size, generator=generator).to(self.device)
        first = self._timed(1)
        self.step_seconds = min(self._timed(1) for _ in range(_WARM_UP))
        self.memory = _peak_memory(self)
        return max(0.0, first - self.step_seconds)

    def measure(self) -> None:
        self.speeds.append(self.batch_size * self.model.block_size * self.block_steps / self._timed(self.block_steps))

    def record(self, baseline: _Row) -> dict[str, Any]:
        """For the kept file."""
        numbers: list[float | None] = [None] * len(_NUMBERS)
        if self.speeds:
            speed = statistics.median(self.speeds)
            ratio = speed / statistics.median(baseline.speeds)
            megabytes = None if self.memory is None else round(self.memory / 1e6, 1)
            seconds = None if self.compilation is None else round(self.compilation, 1)
            numbers = [round(speed), round(ratio, 2), megabytes, seconds]
        return {"name": self.name, **dict(zip(_NUMBERS, numbers, strict=True)), "note": self.note}

    def _timed(self, steps: int) -> float:
        _wait(self.device)
        started = time.perf_counter()
        for _ in range(steps):
            self.step()
        _wait(self.device)
        return time.perf_counter() - started


def _prepare_rows(
    make_model: Callable[..., nn.Module], batch_size: int, device: str, bar: tqdm
) -> tuple[list[_Row], str]:
    """Rows ready to be measured, or with a note; and in words what was measured where."""
    with explained():
        row = _with_model(_Row(BASELINE, device, batch_size), make_model(use_flash_attn=False))
        row.warm_up()
    bar.update()
    about = f"{sum(weight.numel() for weight in row.model.parameters()):,} parameters, {device_name(device)}"
    # Of an earlier measurement, whose compiled code would be taken again.
    torch.compiler.reset()
    rows, dtype = [row], choose_dtype(device)
    narrow = f" ({str(dtype).removeprefix('torch.')})" if dtype != torch.float32 else ""
    steps: list[tuple[str, Callable[[_Row], _Row]]] = [
        ("+ fused attention", lambda row: _with_model(row, make_model(use_flash_attn=True))),
        (f"+ mixed precision{narrow}", lambda row: _narrowed(row, dtype)),
        ("+ torch.compile", _compiled),
        (f"+ batch of {_LARGER * batch_size} in place of {batch_size}", _with_larger_batch),
    ]
    for name, change in steps:
        bar.set_postfix_str(name.removeprefix("+ "))
        try:
            candidate = change(replace(row, name=name, speeds=[]))
            longer = candidate.warm_up()
        # Whatever it is, the other rows are measured all the same.
        except Exception as error:
            rows.append(_Row(name, device, batch_size, note=_in_few_words(error)))
            if device == "cuda":
                torch.cuda.empty_cache()
        else:
            candidate.compilation = longer if candidate.compiled and not row.compiled else None
            rows.append(candidate)
            row = candidate
        bar.update()
    return rows, about


class _NotHere(Exception):
    """This machine can't do it."""


def _with_model(row: _Row, model: nn.Module) -> _Row:
    model = model.to(row.device).train()
    with torch.no_grad():
        vocab_size = model(torch.zeros(1, 1, dtype=torch.int64, device=row.device)).shape[-1]
    scaler = torch.amp.GradScaler(row.device, enabled=False)
    optimizer = make_optimizer(model, _LEARNING_RATE, row.device)
    return replace(row, model=model, forward=model, optimizer=optimizer, scaler=scaler, vocab_size=vocab_size)


def _narrowed(row: _Row, dtype: torch.dtype) -> _Row:
    if dtype == torch.float32:
        raise _NotHere(f"this {row.device.upper()} is not faster in a narrower type")
    scaler = torch.amp.GradScaler(row.device, enabled=dtype == torch.float16)
    return replace(row, dtype=dtype, scaler=scaler)


def _compiled(row: _Row) -> _Row:
    return replace(row, forward=torch.compile(row.model))


def _with_larger_batch(row: _Row) -> _Row:
    return replace(row, batch_size=_LARGER * row.batch_size)


def _measure(rows: list[_Row], seconds: float, bar: tqdm) -> None:
    able = [row for row in rows if row.model is not None and not row.note]
    turn = sum(row.step_seconds * row.block_steps for row in able)
    rounds = min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, round(seconds / turn)))
    bar.total += rounds
    bar.set_postfix_str("measuring in turns")
    for _ in range(rounds):
        for row in able:
            row.measure()
        bar.update()


def _peak_memory(row: _Row) -> float | None:
    """Bytes of this row's tensors at the fullest moment of a step; None on devices that don't tell."""
    row.optimizer.zero_grad()
    states = [value for state in row.optimizer.state.values() for value in state.values()]
    lasting = [*row.model.parameters(), *row.model.buffers(), *states]
    kept = sum(tensor.numel() * tensor.element_size() for tensor in lasting if isinstance(tensor, torch.Tensor))
    if row.device == "cuda":
        # The models of other rows lie there too, so only what the step adds is taken from the device's count.
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        row.step()
        _wait(row.device)
        return kept + torch.cuda.max_memory_allocated() - before
    if row.device != "cpu":
        return None
    # The process's own peak never falls, and counts libraries and compilers; the profiler sees each tensor come and go.
    # What the profiler logs beside that is nothing for a reader of the notebook.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, profile_memory=True) as profiler:
        row.step()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    most = now = 0
    for event in sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"]):
        now += event["args"]["Bytes"]
        most = max(most, now)
    return kept + most


def _wait(device: str) -> None:
    if device != "cpu":
        getattr(torch, device).synchronize()


def _in_few_words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, _NotHere):
        return text
    if isinstance(error, torch.OutOfMemoryError):
        return "not enough memory"
    if isinstance(error, NotImplementedError):
        with contextlib.suppress(IndexError):
            return text.strip().splitlines()[0]
    names = f"{type(error).__name__} {text}".lower()
    if "cxxcompiler" in names or "cppcompile" in names:
        return "no C++ compiler that works was found"
    if "triton" in names:
        return "Triton, which torch.compile needs here, was not found"
    return f"stopped with {type(error).__name__}: {text.strip().splitlines()[0][:80] if text.strip() else ''}".rstrip(
        ": "
    )


def _as_table(about: str, records: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(records, columns=["name", *COLUMNS]).set_index("name")
    table.index.name = None
    table = table.astype(dict.fromkeys(_NUMBERS, float))
    table.attrs["machine"] = about
    return table


def _kept(path: Path) -> pd.DataFrame:
    result = runs.load_result(path)
    if result is None:
        print("No measured optimizations were handed in; nothing is measured now.")
        return _as_table("", [])
    records, about = result.get("rows"), result.get("machine")
    whole = isinstance(about, str) and isinstance(records, list) and all(isinstance(each, dict) for each in records)
    if not whole or not all(_is_record(each) for each in records):
        raise CourseError(f"{path} holds no table of optimizations: {_BROKEN}")
    return _as_table(about, records)


def _is_record(record: dict[str, Any]) -> bool:
    numbers = [record.get(name) for name in _NUMBERS if record.get(name) is not None]
    return all(isinstance(record.get(name), str) for name in ("name", "note")) and all(
        type(number) in (int, float) and math.isfinite(number) and number >= 0 for number in numbers
    )
