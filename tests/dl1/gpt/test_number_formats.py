"""Bits of a number in the formats of training."""

import struct

import matplotlib.pyplot as plt
import pytest

from dl1.gpt.number_formats import plot_number_formats, stored


@pytest.mark.parametrize("value", [0.1, -3.5, 1.0, 1e-6])
def test_bits_are_those_of_ieee_754(value):
    single, half, brain = stored(value)
    assert single.bits == f"{struct.unpack('>I', struct.pack('>f', value))[0]:032b}"
    assert half.bits == f"{struct.unpack('>H', struct.pack('>e', value))[0]:016b}"
    # The upper half of FP32, rounded: at most the last bits differ.
    assert abs(int(brain.bits, 2) - int(single.bits[:16], 2)) <= 1
    assert (single.exponent_bits, half.exponent_bits, brain.exponent_bits) == (8, 5, 8)


def test_what_is_too_large_for_a_format():
    assert [each.value for each in stored(1e5)][1] == float("inf")
    assert stored(1e5)[2].value == pytest.approx(1e5, rel=0.01)


def test_a_row_of_bits_for_each_format():
    figure = plot_number_formats(0.1)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert [said.count(name) for name in ("FP32", "FP16", "BF16")] == [1, 1, 1]
    assert len([text for text in said if text in ("0", "1")]) == 32 + 16 + 16
    plt.close(figure)
