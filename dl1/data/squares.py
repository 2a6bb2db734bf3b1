"""Two coloured squares on black: images whose true cue (order of colours) comes with a shortcut (height).

After Kayhan and van Gemert, "On Translation Invariance in CNNs", CVPR 2020.
"""

from __future__ import annotations

import torch

SIZES = {"train": 2_000, "validation": 1_000, "test": 1_000}
IMAGE_SIZE = 32
SQUARE = 4
_UPPER, _LOWER, _SPREAD = 7, 23, 4
_LAST_LEFT, _LAST_RIGHT, _APART = 10, 28, 5
_RED, _GREEN = 0, 1


def squares(split: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of one of the three sets.

    Class 0 has the red square left of the green one, class 1 the green one left of the red one. In "train" and
    "validation" class 0 lies in the upper band of the image and class 1 in the lower one; in "test" the bands are
    swapped, so that a network that looks at the height instead of the order gets every image wrong.

    Args:
        split: "train", "validation" or "test".
        seed: of the random places; the sets of one seed are different images.

    Returns:
        images (N, 3, 32, 32), float32 in [0, 1], and labels (N,), int64, as many of each class, in turns.

    Raises:
        ValueError: there is no such set.
    """
    if split not in SIZES:
        raise ValueError(f"there is no set {split!r}: choose one of {', '.join(SIZES)}")
    count = SIZES[split]
    generator = torch.Generator().manual_seed(3 * seed + list(SIZES).index(split))
    labels = torch.arange(count) % 2
    in_upper_band = labels == (1 if split == "test" else 0)
    band = torch.where(in_upper_band, _UPPER, _LOWER)
    heights = band[:, None] + torch.randint(-_SPREAD, _SPREAD, (count, 2), generator=generator)  # (N, 2): left, right
    left = torch.randint(0, _LAST_LEFT, (count,), generator=generator)
    # Drawing from [left, 28) until the two are 5 apart is the same as drawing from what is at least 5 apart.
    room = _LAST_RIGHT - _APART - left
    right = left + _APART + (torch.rand(count, generator=generator, dtype=torch.float64) * room).long()
    images = torch.zeros(count, 3, IMAGE_SIZE, IMAGE_SIZE)
    for columns, rows, colour in [
        (left, heights[:, 0], torch.where(labels == 0, _RED, _GREEN)),
        (right, heights[:, 1], torch.where(labels == 0, _GREEN, _RED)),
    ]:
        _paint(images, columns, rows, colour)
    return images, labels


def _paint(images: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor, colour: torch.Tensor) -> None:
    inside = torch.arange(SQUARE)
    image = torch.arange(len(images))[:, None, None]  # (N, 1, 1)
    images[image, colour[:, None, None], rows[:, None, None] + inside[:, None], columns[:, None, None] + inside] = 1.0
