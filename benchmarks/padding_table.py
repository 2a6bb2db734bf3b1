"""The padding table: the kit's training against one model at a time with a DataLoader, and against the arithmetic.

    python benchmarks/padding_table.py                      a sample of the table, both ways; about five minutes
    python benchmarks/padding_table.py --epochs 5

Prints seconds for a sample of networks trained for a few epochs, in one run on this machine, with the largest
difference between the losses of both ways in float32, and how much of the time is arithmetic at the measured peak.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Sampler, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dl1.data.squares import squares
from dl1.notebook.devices import fastest_precision
from dl1.padding.nets import CONV_TYPES, PADDING, PaddingNet
from dl1.padding.training import ADADELTA, BATCH, train_net

NETS = [("Net1", conv_type, seed) for conv_type in CONV_TYPES for seed in (0, 1)]


class OrderOfTheKit(Sampler):
    """The order in which the kit shows the images, so that both ways compute the same."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(self.count).tolist())


def of_plain_layers(net_type: str, conv_type: str) -> PaddingNet:
    """The network with torch's own layers, which the kit replaces for circular padding."""
    net = PaddingNet(net_type, conv_type)
    mode, width = PADDING[conv_type]
    for number, layer in enumerate(net.convolutions):
        sizes = (layer.in_channels, layer.out_channels, 3, layer.stride, width)
        net.convolutions[number] = torch.nn.utils.skip_init(nn.Conv2d, *sizes, bias=False, padding_mode=mode)
        net.convolutions[number].load_state_dict(layer.state_dict())
    return net


def one_at_a_time(net_type: str, conv_type: str, seed: int, epochs: int) -> list[float]:
    """Validation loss of each epoch: the usual loop, with torch's own threads."""
    torch.manual_seed(seed)
    net = of_plain_layers(net_type, conv_type)
    optimizer = torch.optim.Adadelta(net.parameters(), **ADADELTA)
    training, validation = (TensorDataset(*squares(split)) for split in ("train", "validation"))
    # A generator of its own, or the loader would draw from the one that orders the images.
    private = torch.Generator()
    batches = DataLoader(training, batch_size=BATCH, sampler=OrderOfTheKit(len(training)), generator=private)
    measured = DataLoader(validation, batch_size=BATCH, generator=private)
    curve = []
    for _ in range(epochs):
        for images, labels in batches:
            loss = F.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            total = sum(F.cross_entropy(net(x), y, reduction="sum").item() for x, y in measured)
        curve.append(total / len(validation))
    return curve


def by_the_kit(job: tuple[str, str, int, int, str]) -> list[float]:
    net_type, conv_type, seed, epochs, precision = job
    return train_net(net_type, conv_type, seed, epochs, precision=precision)[1]["curve"]


def one_thread() -> None:
    torch.set_num_threads(1)
    # The first network of a process waits for its images and libraries; the table has many more.
    train_net("Net1", "valid", 0, epochs=1, most_batches=1)


def side_by_side(epochs: int, precision: str, cores: int) -> tuple[float, list[list[float]]]:
    """Seconds, without the start of the processes, and the curves."""
    with multiprocessing.get_context("spawn").Pool(cores, one_thread) as pool:
        pool.map(time.sleep, [1.0] * cores, chunksize=1)
        started = time.perf_counter()
        curves = pool.map(by_the_kit, [(*net, epochs, precision) for net in NETS], chunksize=1)
        return time.perf_counter() - started, curves


def operations(conv_type: str) -> float:
    """Floating-point operations of one epoch: training on 2,000 images, validation on 1,000."""
    net, images = PaddingNet("Net1", conv_type), torch.rand(BATCH, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(net(images), torch.zeros(BATCH, dtype=torch.int64)).backward()
    training = counter.get_total_flops() * 2_000 / BATCH
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(images)
    return training + counter.get_total_flops() * 1_000 / BATCH


def peak(precision: str) -> float:
    """Operations per second of one large matrix product on all cores: the best of ten."""
    dtype = getattr(torch, precision)
    a, b = (torch.rand(3_072, 3_072).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        a @ b
        best = max(best, 2 * 3_072**3 / (time.perf_counter() - started))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3, help="of each network (default: 3)")
    epochs = parser.parse_args().epochs
    cores, fast = os.cpu_count() or 1, fastest_precision("cpu")
    print(f"{len(NETS)} networks (Net1, six kinds of padding, two seeds), {epochs} epochs each, {cores} cores")

    one_at_a_time(*NETS[0], epochs=1)
    started = time.perf_counter()
    usual = [one_at_a_time(*net, epochs) for net in NETS]
    usual_seconds = time.perf_counter() - started
    print(f"one at a time, DataLoader, float32    {usual_seconds:7.1f} s")
    for precision in dict.fromkeys(("float32", fast)):
        seconds, curves = side_by_side(epochs, precision, cores)
        difference = max(
            abs(a - b) for mine, other in zip(curves, usual, strict=True) for a, b in zip(mine, other, strict=True)
        )
        arithmetic = sum(operations(conv_type) for _, conv_type, _ in NETS) * epochs / peak(precision)
        print(
            f"the kit, side by side, {precision:14} {seconds:7.1f} s   {usual_seconds / seconds:5.2f} times as fast   "
            f"losses differ by at most {difference:.1e}   arithmetic at the peak: {arithmetic:.1f} s "
            f"({seconds / arithmetic:.1f} times that)"
        )


if __name__ == "__main__":
    main()
