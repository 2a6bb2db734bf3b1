"""Largest error of every attention kernel of this machine against a float64 oracle.

The tolerances in ``dl1/gpt/attention_kernels.py`` come from here. Needs torch and this repository, nothing else.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dl1.gpt.attention_kernels import TOLERANCE, Kernel, find_kernels

SHAPES = [(2, 3, t, hs) for t in (1, 7, 33, 64) for hs in (8, 16, 64)]
SEEDS = range(20)


def causal_oracle(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Causal attention, equation 1 of Vaswani et al. (2017), in float64 with loops over the queries.

    Args:
        q, k, v: (B, nh, T, hs).

    Returns:
        (B, nh, T, hs), float64.
    """
    q, k, v = q.double(), k.double(), v.double()
    rows = []
    for t in range(q.shape[-2]):
        scores = (k[:, :, : t + 1] * q[:, :, t : t + 1]).sum(-1) / q.shape[-1] ** 0.5  # (B, nh, t + 1)
        rows.append((scores.softmax(-1)[..., None] * v[:, :, : t + 1]).sum(-2))  # (B, nh, hs)
    return torch.stack(rows, dim=-2)


def largest_error(kernel: Kernel, shape: tuple[int, int, int, int], seed: int) -> float:
    """Largest absolute error on standard normal q, k, v of a shape (B, nh, T, hs)."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(shape, generator=generator, dtype=torch.float64).to(kernel.dtype) for _ in range(3))
    with sdpa_kernel(getattr(SDPBackend, kernel.name)):
        y = F.scaled_dot_product_attention(*(t.to(kernel.device) for t in (q, k, v)), is_causal=True)
    return float((y.cpu().double() - causal_oracle(q, k, v)).abs().max())


def main() -> None:
    here, absent = find_kernels()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    print(f"torch {torch.__version__}, {device}; {len(SHAPES)} shapes, {len(SEEDS)} seeds")
    for kernel in here:
        error = max(largest_error(kernel, shape, seed) for shape in SHAPES for seed in SEEDS)
        print(f"{kernel!s:32} error {error:.2e}   accepted {TOLERANCE[kernel.dtype]:.0e}")
    print("not on this machine:", ", ".join(map(str, absent)) or "none")


if __name__ == "__main__":
    main()
