"""Small colour images to train on: CIFAR-10 where it was downloaded, else the digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from dl1.data.folder import KnownData, data_folder, known_data
from dl1.errors import CourseError

IMAGE_SIZE = 32
_DIGIT_SIZE, _DIGIT_WHITE = 8, 16
_TEST_DIGITS_PER_CLASS = 36
_HOW_TO_GET_IT = "python -m dl1.download cifar10"

Transform = Callable[[torch.Tensor], torch.Tensor]


class ImageSet(Dataset):
    """Labelled images, all in memory.

    Attributes:
        images: (N, 3, 32, 32), uint8.
        labels: (N,), int64: places in ``classes``.
        classes: names of the classes.
        name: "CIFAR-10" or "embedded digits".
        transform: applied to each image when it is taken, to a float32 tensor (3, 32, 32) in [0, 1]; or None.
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        classes: tuple[str, ...],
        name: str,
        transform: Transform | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.classes = classes
        self.name = name
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """One image, (3, 32, 32), float32, in [0, 1] unless the transform leaves that range, and its label.

        Raises:
            IndexError: there are fewer images.
        """
        image = self.images[index].float() / 255
        if self.transform is not None:
            image = self.transform(image)
        return image, int(self.labels[index])

    def __repr__(self) -> str:
        return f"ImageSet({self.name!r}, {len(self):,} images, {len(self.classes)} classes)"

    def with_transform(self, transform: Transform | None) -> ImageSet:
        """The same images with another transform, or none; the tensors are shared, not copied."""
        return ImageSet(self.images, self.labels, self.classes, self.name, transform)

    def first(self, count: int) -> ImageSet:
        """The first ``count`` images, or all if there are fewer; the tensors are shared, not copied.

        Raises:
            CourseError: ``count`` is below 1.
        """
        if count < 1:
            raise CourseError(f"{count} images are none: ask for 1 or more")
        return ImageSet(self.images[:count], self.labels[:count], self.classes, self.name, self.transform)


def load_images(limit: int | None = None) -> tuple[ImageSet, ImageSet]:
    """Training and test set: CIFAR-10 (50,000 and 10,000 images) if it is in the data folder, else the digits.

    The digits (1,437 and 360 images) need no download. When they stand in, the output says so, with the folder in which
    CIFAR-10 was looked for and the command that downloads it.

    Args:
        limit: at most so many images in each set, the first ones; all if left out.

    Raises:
        CourseError: CIFAR-10 is there but damaged, DL1_DATA is not a folder, ``limit`` is below 1, or a package is
            missing.
    """
    data, cifar10 = data_folder(), known_data("cifar10")
    if cifar10.is_in(data):
        training, test = _cifar10(data, cifar10)
    else:
        training, test = _digits()
        print(
            f"{cifar10.title} was not found in {data}: these are the {training.name} of scikit-learn instead "
            f"({len(training):,} + {len(test):,} images).\nThis command gets {cifar10.title}: {_HOW_TO_GET_IT}"
        )
    if limit is None:
        return training, test
    return training.first(limit), test.first(limit)


def _cifar10(data: Path, known: KnownData) -> tuple[ImageSet, ImageSet]:
    problems = known.problems(data)
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise CourseError(f"{problems[0]}{more}: {_HOW_TO_GET_IT} puts {known.title} right; then run the cell again")
    try:
        from torchvision.datasets import CIFAR10  # slow to import, and not needed for the digits
    except ImportError:
        raise CourseError("CIFAR-10 is read with torchvision: pip install 'dl1[notebooks]'") from None
    sets = []
    for train in (True, False):
        try:
            read = CIFAR10(data, train=train, download=False)
        except RuntimeError as error:
            raise CourseError(
                f"torchvision doesn't take {data / known.folder} for CIFAR-10 ({error}): delete that folder, then "
                f"{_HOW_TO_GET_IT}"
            ) from None
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()  # (N, H, W, 3) -> (N, 3, H, W)
        sets.append(ImageSet(images, torch.tensor(read.targets), tuple(read.classes), known.title))
    return sets[0], sets[1]


def _digits() -> tuple[ImageSet, ImageSet]:
    """The 1,797 digits, as if they were small colour images; 36 of each class make the test set."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise CourseError("the digits come with scikit-learn: pip install 'dl1[notebooks]'") from None
    read = load_digits()
    grey = torch.from_numpy(read.images).float()[:, None] / _DIGIT_WHITE  # (N, 1, 8, 8)
    # Smoothed between the pixels: squares of 4 × 4 equal ones would be edges that no digit has.
    large = F.interpolate(grey, scale_factor=IMAGE_SIZE // _DIGIT_SIZE, mode="bilinear")  # (N, 1, 32, 32)
    images = (large * 255).round().to(torch.uint8).repeat(1, 3, 1, 1)  # (N, 3, 32, 32)
    labels = torch.from_numpy(read.target).long()
    classes = tuple(str(digit) for digit in read.target_names)

    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], labels[order]
    so_far = F.one_hot(labels).cumsum(0)  # (N, 10): how many of each class come up to here
    is_test = so_far.gather(1, labels[:, None])[:, 0] <= _TEST_DIGITS_PER_CLASS
    return tuple(ImageSet(images[chosen], labels[chosen], classes, "embedded digits") for chosen in (~is_test, is_test))
