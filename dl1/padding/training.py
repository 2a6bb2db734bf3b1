"""Training of one network of the padding experiment."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F

from dl1.data.squares import squares
from dl1.padding.nets import PaddingNet

BATCH = 200
PATIENCE = 8
ADADELTA = {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 5e-5}


def train_net(
    net_type: str,
    conv_type: str,
    seed: int,
    epochs: int,
    device: str = "cpu",
    precision: str = "float32",
    most_batches: int = 10,
) -> tuple[PaddingNet, dict[str, Any]]:
    """Train one initialisation and test it with the weights of its best epoch.

    Adadelta; stops when the validation loss has not improved for more than eight epochs. Images stay on the device,
    as tensors, from the first epoch to the last.

    Args:
        net_type, conv_type: of :class:`~dl1.padding.nets.PaddingNet`.
        seed: of the first weights and of the order of the images.
        epochs: at most.
        device: of torch.
        precision: "bfloat16" to compute the convolutions in it, else "float32".
        most_batches: of an epoch that are used, and as many images are measured; all of them if left out.

    Returns:
        The network with its best weights, and what is kept of it: accuracies in [0, 1] on "validation" and "test",
        "curve" with the validation loss of each epoch, "cpu_seconds" that this process computed.
    """
    started = time.process_time()
    torch.manual_seed(seed)
    net = PaddingNet(net_type, conv_type).to(device, memory_format=torch.channels_last)
    images, labels = _on_device("train", device)
    optimizer = torch.optim.Adadelta(net.parameters(), **ADADELTA)
    narrow = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16")
    best, curve, waited, best_weights, validation = float("inf"), [], 0, {}, 0.0
    for _ in range(epochs):
        batches = torch.randperm(len(images)).to(device).split(BATCH)[:most_batches]
        _train_epoch(net, optimizer, ((images[batch], labels[batch]) for batch in batches), narrow)
        with narrow:
            validation_loss, accuracy = _measure(net, "validation", device, most_batches * BATCH)
        curve.append(validation_loss)
        if validation_loss < best:
            best, waited, validation = validation_loss, 0, accuracy
            best_weights = {name: weight.clone() for name, weight in net.state_dict().items()}
        else:
            waited += 1
            if waited > PATIENCE:
                break
    # Without any, the loss was never finite: the last weights are as good as others.
    if best_weights:
        net.load_state_dict(best_weights)
    _, test = _measure(net, "test", device, most_batches * BATCH)
    return net, {
        "seed": seed,
        "validation": validation,
        "test": test,
        "curve": curve,
        "precision": precision,
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def _train_epoch(
    net: PaddingNet,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    narrow: torch.autocast,
) -> None:
    for images, labels in batches:
        with narrow:
            logits = net(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def _measure(net: PaddingNet, split: str, device: str, most: int) -> tuple[float, float]:
    """Mean loss and accuracy on the first images of a set."""
    images, labels = (tensor[:most] for tensor in _on_device(split, device))
    logits = net(images).float()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


@functools.cache
def _on_device(split: str, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = squares(split)
    return images.to(device, memory_format=torch.channels_last), labels.to(device)
