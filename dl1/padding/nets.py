"""The two networks of the padding experiment, with six ways of filling the border.

After Kayhan and van Gemert, "On Translation Invariance in CNNs", CVPR 2020.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from dl1.data.squares import IMAGE_SIZE

# conv_type: mode of nn.Conv2d, and pixels on each side
PADDING = {
    "valid": ("zeros", 0),
    "sconv": ("zeros", 1),
    "fconv": ("zeros", 2),
    "circular": ("circular", 2),
    "reflect": ("reflect", 2),
    "replicate": ("replicate", 2),
}
CONV_TYPES = tuple(PADDING)
NET_TYPES = ("Net1", "Net2")
_CHANNELS = (3, 32, 32, 64, 64)
_STRIDES = (1, 2, 2, 2)


class PaddingNet(nn.Module):
    """Four 3×3 convolutions without bias, ReLU after each, then a classifier for two classes.

    Args:
        net_type: "Net1" takes the largest value of each feature map, wherever it is, and classifies these 64 numbers.
            "Net2" classifies the flattened feature maps, so that each place has weights of its own.
        conv_type: one of :data:`CONV_TYPES`.

    Raises:
        ValueError: there is no such net or convolution.
    """

    def __init__(self, net_type: str, conv_type: str) -> None:
        super().__init__()
        if net_type not in NET_TYPES:
            raise ValueError(f"there is no net {net_type!r}: choose one of {', '.join(NET_TYPES)}")
        if conv_type not in PADDING:
            raise ValueError(f"there is no convolution {conv_type!r}: choose one of {', '.join(CONV_TYPES)}")
        self.net_type, self.conv_type = net_type, conv_type
        mode, width = PADDING[conv_type]
        sizes = zip(_CHANNELS[:-1], _CHANNELS[1:], _STRIDES, strict=True)
        layer = _CircularConv2d if mode == "circular" else nn.Conv2d
        self.convolutions = nn.ModuleList(
            layer(inputs, outputs, 3, stride, width, padding_mode=mode, bias=False) for inputs, outputs, stride in sizes
        )
        channels = _CHANNELS[-1]
        if net_type == "Net1":
            self.classifier = nn.Linear(channels, 2)
        else:
            places = self.map_size() ** 2
            self.classifier = nn.Sequential(nn.Linear(channels * places, 64), nn.Linear(64, 2))

    def map_size(self) -> int:
        """Rows, and columns, of the last feature maps."""
        size = IMAGE_SIZE
        for convolution in self.convolutions:
            size = (size + 2 * PADDING[self.conv_type][1] - 3) // convolution.stride[0] + 1
        return size

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What each of the four layers gives, (B, channels, rows, columns), after its ReLU."""
        maps = []
        for convolution in self.convolutions:
            images = F.relu(convolution(images))
            maps.append(images)
        return maps

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, 32, 32) -> logits (B, 2)."""
        for convolution in self.convolutions:
            images = F.relu(convolution(images))
        if self.net_type == "Net1":
            return self.classifier(images.amax(dim=(2, 3)))  # (B, 64) -> (B, 2)
        return self.classifier(images.flatten(1))  # (B, 64·k·k) -> (B, 2)


class _CircularConv2d(nn.Conv2d):
    """nn.Conv2d in its circular mode, with a faster padding."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.conv2d(_CircularPad.apply(images, self.padding[0]), self.weight, self.bias, self.stride)


class _CircularPad(torch.autograd.Function):
    """(B, C, H, W) -> (B, C, H + 2p, W + 2p): what F.pad gives, with a faster gradient, in its memory format."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, width: int) -> torch.Tensor:
        ctx.width = width
        for dimension in (-1, -2):
            first = images.narrow(dimension, 0, width)
            last = images.narrow(dimension, images.shape[dimension] - width, width)
            images = torch.cat([last, images, first], dimension)
        return images

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        width = ctx.width
        for dimension in (-2, -1):
            size = gradient.shape[dimension] - 2 * width
            inner = gradient.narrow(dimension, width, size).clone(memory_format=torch.preserve_format)
            inner.narrow(dimension, size - width, width).add_(gradient.narrow(dimension, 0, width))
            inner.narrow(dimension, 0, width).add_(gradient.narrow(dimension, width + size, width))
            gradient = inner
        return gradient, None
