"""The two coloured squares: the true cue, the shortcut, and their exchange in the test set."""

import pytest
import torch

from dl1.data.squares import SIZES, squares


def places(images: torch.Tensor, colour: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First row and first column of the square of a colour, each (N,)."""
    channel = images[:, colour]  # (N, 32, 32)
    return channel.amax(2).argmax(1), channel.amax(1).argmax(1)


@pytest.mark.parametrize("split", SIZES)
def test_every_image_has_one_square_of_each_colour(split):
    images, labels = squares(split)
    assert images.shape == (SIZES[split], 3, 32, 32)
    assert images.dtype == torch.float32
    assert labels.bincount().tolist() == [SIZES[split] // 2] * 2
    assert images.sum((2, 3)).unique(dim=0).tolist() == [[16, 16, 0]]
    for colour in (0, 1):
        rows, columns = places(images, colour)
        for i in (0, 1, 7):
            square = images[i, colour, rows[i] : rows[i] + 4, columns[i] : columns[i] + 4]
            assert square.sum() == 16


@pytest.mark.parametrize("split", SIZES)
def test_class_is_the_order_of_colours(split):
    images, labels = squares(split)
    (_, red), (_, green) = places(images, 0), places(images, 1)
    assert torch.equal(red < green, labels == 0)
    left, right = torch.minimum(red, green), torch.maximum(red, green)
    assert (right - left).min() == 5
    assert left.unique().tolist() == list(range(10))
    assert right.unique().tolist() == list(range(5, 28))


@pytest.mark.parametrize(("split", "first_rows"), [("train", (3, 19)), ("validation", (3, 19)), ("test", (19, 3))])
def test_height_is_a_shortcut_that_the_test_set_exchanges(split, first_rows):
    images, labels = squares(split)
    for label, first in enumerate(first_rows):
        for colour in (0, 1):
            rows, _ = places(images[labels == label], colour)
            assert rows.unique().tolist() == list(range(first, first + 8))


def test_heights_are_drawn_for_each_square():
    images, _ = squares("train")
    assert not torch.equal(places(images, 0)[0], places(images, 1)[0])


def test_sets_repeat_and_differ():
    first, again, other = squares("validation")[0], squares("validation")[0], squares("validation", seed=1)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, squares("train")[0][: len(first)])


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="there is no set 'dev': choose one of train"):
        squares("dev")
