import math

import pytest
import torch
import torch.nn.functional as F

from dl1.errors import CourseError
from dl1.padding.convolution_terms import EXAMPLE_IMAGE, EXAMPLE_KERNEL, MODES, padded_value, products

IMAGE, KERNEL = torch.tensor(EXAMPLE_IMAGE), torch.tensor(EXAMPLE_KERNEL)
PLACES = [(row, column) for row in range(1, 6) for column in range(1, 6)]


def padded(image: torch.Tensor, mode: str, width: int = 1) -> torch.Tensor:
    """The image with PyTorch's padding; without any value, NaN, where nothing is put."""
    if mode in ("zeros", "valid"):
        return F.pad(image, (width,) * 4, value=0.0 if mode == "zeros" else math.nan)
    return F.pad(image[None, None], (width,) * 4, mode=mode)[0, 0]


def convolved(image: torch.Tensor, kernel: torch.Tensor, mode: str) -> torch.Tensor:
    # conv2d doesn't turn the kernel, a convolution does.
    return F.conv2d(padded(image, mode)[None, None], kernel.flip(0, 1)[None, None])[0, 0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5, 5), (2, 7)])
def test_each_sum_is_that_of_conv2d_with_the_turned_kernel(mode, size):
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(size, generator=generator, dtype=torch.float64) - 0.5
    kernel = torch.rand(3, 3, generator=generator, dtype=torch.float64) - 0.5
    expected = convolved(image, kernel, mode)
    for row in range(1, size[0] + 1):
        for column in range(1, size[1] + 1):
            terms = products(image, kernel, row, column, mode)
            if any(term.missing for term in terms):
                assert torch.isnan(expected[row - 1, column - 1])
            else:
                # Nine numbers below 1/4 in double precision, added in another order.
                assert sum(term.result for term in terms) == pytest.approx(
                    float(expected[row - 1, column - 1]), abs=1e-14
                )


@pytest.mark.parametrize("mode", MODES)
def test_values_outside_are_those_of_pad(mode):
    # 4 is as far as PyTorch can mirror an image of five.
    expected = padded(IMAGE, mode, 4)
    for row in range(-3, 10):
        for column in range(-3, 10):
            value = padded_value(IMAGE, row, column, mode)
            place = float(expected[row + 3, column + 3])
            assert (value is None and math.isnan(place)) or value == place, (row, column)


def test_the_nine_terms_stand_in_the_order_of_the_formula():
    terms = products(IMAGE, KERNEL, 2, 2, "valid")
    assert [f"{term.g}{term.h}" for term in terms] == [
        *("g_{3,3}h_{-,-}", "g_{3,2}h_{-,0}", "g_{3,1}h_{-,+}"),
        *("g_{2,3}h_{0,-}", "g_{2,2}h_{0,0}", "g_{2,1}h_{0,+}"),
        *("g_{1,3}h_{+,-}", "g_{1,2}h_{+,0}", "g_{1,1}h_{+,+}"),
    ]
    assert [term.value for term in terms] == [9, 8, 5, 6, 2, 9, 4, 1, 3]
    assert [term.weight for term in terms] == [1, 2, 3, -1, 0.5, -2, 4, -3, -4]
    assert [term.result for term in terms] == [9, 16, 15, -6, 1, -18, 16, -3, -12]
    assert not any(term.missing or term.padded for term in terms)
    assert all(term.source == term.place for term in terms)


def test_the_corner_lacks_what_lies_outside():
    terms = products(IMAGE, KERNEL, 1, 1, "valid")
    assert [f"{term.g}{term.h}" for term in terms] == [
        *("g_{2,2}h_{-,-}", "g_{2,1}h_{-,0}", "g_{2,0}h_{-,+}"),
        *("g_{1,2}h_{0,-}", "g_{1,1}h_{0,0}", "g_{1,0}h_{0,+}"),
        *("g_{0,2}h_{+,-}", "g_{0,1}h_{+,0}", "g_{0,0}h_{+,+}"),
    ]
    assert [term.g for term in terms if term.missing] == ["g_{2,0}", "g_{1,0}", "g_{0,2}", "g_{0,1}", "g_{0,0}"]
    assert [term.result for term in terms if term.missing] == [None] * 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", PLACES)
def test_exactly_the_places_outside_are_missing_or_padded(mode, place):
    for term in products(IMAGE, KERNEL, *place, mode):
        outside = not all(1 <= where <= 5 for where in term.place)
        assert (term.missing, term.padded) == (outside and mode == "valid", outside and mode != "valid")


@pytest.mark.parametrize(
    ("mode", "sources"),
    [
        ("zeros", [None] * 5),
        ("circular", [(2, 5), (1, 5), (5, 2), (5, 1), (5, 5)]),
        ("reflect", [(2, 2), (1, 2), (2, 2), (2, 1), (2, 2)]),
        ("replicate", [(2, 1), (1, 1), (1, 2), (1, 1), (1, 1)]),
    ],
)
def test_padding_says_which_pixel_it_takes(mode, sources):
    terms = [term for term in products(IMAGE, KERNEL, 1, 1, mode) if term.padded]
    assert [term.source for term in terms] == sources
    assert [term.value for term in terms] == [IMAGE[s[0] - 1, s[1] - 1] if s else 0.0 for s in sources]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: products(IMAGE, torch.ones(2, 3), 1, 1, "zeros"), r"kernel has shape \(2, 3\): pass one of shape"),
        (lambda: products(IMAGE, [[1]], 1, 1, "zeros"), r"kernel is a list: make it a tensor"),
        (lambda: products(torch.ones(1, 5, 5), KERNEL, 1, 1, "zeros"), r"image has shape \(1, 5, 5\): pass a matrix"),
        (lambda: products(torch.ones(0, 5), KERNEL, 1, 1, "zeros"), r"image has shape \(0, 5\)"),
        (lambda: products(IMAGE * math.nan, KERNEL, 1, 1, "zeros"), "image has infinite or NaN numbers"),
        (lambda: products(IMAGE + 1j, KERNEL, 1, 1, "zeros"), "image has complex numbers"),
        (lambda: products(IMAGE, KERNEL, 1, 1, "same"), "no padding mode 'same': choose one of valid, zeros"),
        (lambda: products(IMAGE, KERNEL, 0, 1, "zeros"), r"no place \(0, 1\): choose a row from 1 to 5"),
        (lambda: padded_value(torch.ones(1, 4), 0, 1, "reflect"), "can't be mirrored"),
        (lambda: padded_value(IMAGE, 1, 1, "mirror"), "no padding mode 'mirror'"),
        (lambda: padded_value(IMAGE[0], 1, 1, "valid"), r"image has shape \(5,\)"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(call, words):
    with pytest.raises(CourseError, match=words):
        call()
