import warnings

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from dl1.gpt.attention_kernels import DTYPES, KERNELS, TOLERANCE, Kernel, find_kernels


def test_every_kernel_is_either_here_or_absent():
    here, absent = find_kernels()
    assert sorted(map(str, here + absent)) == sorted(
        str(Kernel(device, name, dtype)) for device, names in KERNELS.items() for name in names for dtype in DTYPES
    )


def test_the_cpu_has_math_and_flash():
    here, _ = find_kernels()
    for name in ("MATH", "FLASH_ATTENTION"):
        assert Kernel("cpu", name, torch.float32) in here
    assert all(Kernel("cpu", "MATH", dtype) in here for dtype in DTYPES)


def test_a_kernel_that_is_here_runs_when_it_is_pinned_and_is_as_exact_as_stated():
    rng = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 9, 16, generator=rng, dtype=torch.float64)
    hidden = torch.ones(9, 9).triu(1).bool()
    here, _ = find_kernels()
    for kernel in here:
        rounded = [x.to(kernel.dtype) for x in (q, k, v)]
        with sdpa_kernel(getattr(SDPBackend, kernel.name)):
            y = scaled_dot_product_attention(*(x.to(kernel.device) for x in rounded), is_causal=True)
        scores = rounded[0].double() @ rounded[1].double().mT / 16**0.5
        expected = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ rounded[2].double()
        assert (y.cpu().double() - expected).abs().max() <= TOLERANCE[kernel.dtype], kernel


def test_a_kernel_that_refuses_is_absent_without_a_warning(monkeypatch):
    def refuse(*args, **kwargs):
        warnings.warn("not compiled in", stacklevel=2)
        raise RuntimeError("No available kernel")

    monkeypatch.setattr("dl1.gpt.attention_kernels.F.scaled_dot_product_attention", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here, absent = find_kernels()
    assert here == []
    assert len(absent) == sum(len(names) for names in KERNELS.values()) * len(DTYPES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_kernels_are_absent_without_a_device():
    _, absent = find_kernels()
    cuda = [(kernel.name, kernel.dtype) for kernel in absent if kernel.device == "cuda"]
    assert set(cuda) == {(name, dtype) for name in KERNELS["cuda"] for dtype in DTYPES}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: its attention kernels were not looked for")
def test_cuda_kernels_are_found():
    here, _ = find_kernels()
    assert {kernel.name for kernel in here if kernel.device == "cuda"} == set(KERNELS["cuda"])
    assert Kernel("cuda", "FLASH_ATTENTION", torch.float32) not in here


def test_every_dtype_has_a_tolerance_and_coarser_ones_a_larger():
    assert [TOLERANCE[dtype] for dtype in DTYPES] == sorted(TOLERANCE.values())
    assert set(TOLERANCE) == set(DTYPES)


def test_names_are_readable():
    assert str(Kernel("cuda", "CUDNN_ATTENTION", torch.bfloat16)) == "cuda cudnn_attention bfloat16"
