"""The first initialisation of each configuration: its weights are kept with the results.

What is read here was written by somebody else when a grader reads it: numbers only, of sizes that are known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from dl1.data.squares import squares
from dl1.errors import CourseError
from dl1.notebook.places import write_whole
from dl1.padding.nets import PaddingNet

# The initialisation whose weights are kept: every profile has it.
KEPT_SEED = 0
# A network of this experiment has less than 220,000 weights, of two bytes each.
_MAX_BYTES = 2**20
_BATCH = 50


def weights_file(net_type: str, conv_type: str, epochs: int) -> str:
    """Name of the file with the weights of the first initialisation."""
    return f"{net_type}-{conv_type}-{epochs}-epochs.safetensors"


def packed(net: PaddingNet) -> bytes:
    """The weights in half precision, as the content of a safetensors file."""
    return safetensors.torch.save({name: w.detach().cpu().half().contiguous() for name, w in net.state_dict().items()})


def keep_weights(path: Path, content: bytes) -> None:
    """Write what :func:`packed` made, whole or not at all."""
    write_whole(path, content)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file, by name.

    Raises:
        CourseError: there is no such file, or it holds something else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES // 2**20} MiB")
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: run the cell that trains the networks again") from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CourseError(f"{path} can't be read ({error}): delete it, then train again") from None


def net_of(net_type: str, conv_type: str, weights: Mapping[str, torch.Tensor]) -> PaddingNet:
    """A network with these weights, in float32, in eval mode.

    Raises:
        CourseError: they are those of another network.
    """
    net = PaddingNet(net_type, conv_type)
    wanted = {name: tuple(weight.shape) for name, weight in net.state_dict().items()}
    if (
        not isinstance(weights, Mapping)
        or {name: tuple(getattr(weight, "shape", "?")) for name, weight in weights.items()} != wanted
    ):
        raise CourseError(f"the weights are not those of {net_type} with {conv_type}: train it again")
    net.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return net.eval()


@torch.no_grad()
def accuracy(net: PaddingNet, split: str) -> float:
    """Share of the 1,000 images of a set that a network has right."""
    images, labels = squares(split)
    net = net.to(memory_format=torch.channels_last)
    # Small batches stay in the processor's cache: three times as fast as all images at once.
    parts = images.contiguous(memory_format=torch.channels_last).split(_BATCH)
    said = torch.cat([net(part).argmax(1) for part in parts])
    return (said == labels).double().mean().item()
