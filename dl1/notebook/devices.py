"""The device on which an experiment computes, and in what precision: the same choice for all of them."""

from __future__ import annotations

import platform

import torch

from dl1.errors import CourseError

DEVICES = ("cpu", "cuda", "mps")


def choose_device(device: str | None = None) -> str:
    """The device asked for; else the GPU, if there is one, or the CPU.

    Raises:
        CourseError: there is no such device here.
    """
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None:
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    if device not in DEVICES:
        raise CourseError(f"there is no device {device!r}: choose one of {', '.join(DEVICES)}")
    if not here[device]:
        raise CourseError(f"this machine has no {device} device that PyTorch {torch.__version__} can use: take cpu")
    return device


def choose_dtype(device: str) -> torch.dtype:
    """In what the matrix products of a training are computed: the narrowest type in which the device is fast."""
    if device == "cuda":
        # Earlier ones have no arithmetic for bfloat16, only an emulation.
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    return getattr(torch, fastest_precision(device))


def fastest_precision(device: str) -> str:
    """ "bfloat16" where the CPU computes in it, which gives the same accuracies sooner; else "float32"."""
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if device == "cpu" and (known.get("avx512_bf16") or known.get("amx_bf16")) else "float32"


def device_name(device: str) -> str:
    """For people: the GPU's name, or the CPU's kind and the number of threads."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    count = f", {threads} thread{'s' if threads > 1 else ''}" if device == "cpu" else ""
    return f"{platform.machine()} {device.upper()}{count}"
