"""The kernels behind ``F.scaled_dot_product_attention``: which of them run here, and how exact each dtype is.

PyTorch picks one of several kernels by device, dtype and shape. A check pins them one by one, and says which it could
not ask. ``benchmarks/attention_error.py`` measures every kernel of a machine against a float64 oracle.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

KERNELS = {
    "cpu": ("MATH", "FLASH_ATTENTION"),
    "cuda": ("MATH", "EFFICIENT_ATTENTION", "FLASH_ATTENTION", "CUDNN_ATTENTION"),
}
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
# Largest absolute error that a check accepts, for standard normal q, k and v of up to 64 positions: about three times
# the largest error that benchmarks/attention_error.py found (benchmarks/README.md says when and on which devices).
TOLERANCE = {torch.float64: 1e-12, torch.float32: 4e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}


@dataclass(frozen=True)
class Kernel:
    """One kernel with one dtype on one device; ``name`` is a member of ``torch.nn.attention.SDPBackend``."""

    device: str
    name: str
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.device} {self.name.lower()} {str(self.dtype).removeprefix('torch.')}"


def find_kernels(head_size: int = 16) -> tuple[list[Kernel], list[Kernel]]:
    """Kernels that run here, and those that don't (no such device, or the dtype or head size isn't supported).

    Args:
        head_size: size of a head in the trial; the cuDNN kernel wants a multiple of 8.
    """
    here, absent = [], []
    for device, names in KERNELS.items():
        for name in names:
            for dtype in DTYPES:
                kernel = Kernel(device, name, dtype)
                (here if _runs(kernel, head_size) else absent).append(kernel)
    return here, absent


def _runs(kernel: Kernel, head_size: int) -> bool:
    if kernel.device == "cuda" and not torch.cuda.is_available():
        return False
    q = torch.zeros(1, 1, 2, head_size, device=kernel.device, dtype=kernel.dtype)
    # A kernel that is refused explains itself in warnings before it raises.
    with warnings.catch_warnings(), sdpa_kernel(getattr(SDPBackend, kernel.name)):
        warnings.simplefilter("ignore")
        try:
            F.scaled_dot_product_attention(q, q, q, is_causal=True)
        except RuntimeError:
            return False
    return True
