"""Which device an experiment takes, and in what precision it computes there."""

import pytest
import torch

from dl1.errors import CourseError
from dl1.notebook.devices import choose_device, fastest_precision


def test_devices(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert choose_device() == choose_device("cpu") == "cpu"
    with pytest.raises(CourseError, match="no cuda device .* take cpu"):
        choose_device("cuda")
    with pytest.raises(CourseError, match="there is no device 'gpu': choose one of cpu, cuda, mps"):
        choose_device("gpu")


def test_half_precision_only_where_the_processor_has_it(monkeypatch):
    assert fastest_precision("cuda") == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert fastest_precision("cpu") == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    assert fastest_precision("cpu") == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fastest_precision("cpu") == "float32"
