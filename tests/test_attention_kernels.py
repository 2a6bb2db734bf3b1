import pytest
import torch

from dl1.attention_kernels import DTYPES, KERNELS, TOLERANCE, Kernel, find_kernels


def test_every_kernel_is_either_here_or_absent():
    here, absent = find_kernels()
    assert sorted(map(str, here + absent)) == sorted(
        str(Kernel(device, name, dtype)) for device, names in KERNELS.items() for name in names for dtype in DTYPES
    )


def test_the_cpu_has_math_and_flash():
    here, _ = find_kernels()
    for name in ("MATH", "FLASH_ATTENTION"):
        assert Kernel("cpu", name, torch.float32) in here


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_kernels_are_absent_without_a_device():
    _, absent = find_kernels()
    assert {kernel.name for kernel in absent if kernel.device == "cuda"} == set(KERNELS["cuda"])


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
