"""The machine: room on the disk, rights, data sets, a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dl1.installation.seen import KNOW, MEND, OK, Seen, quoted

_GIB = 2**30
# To work at all, and to install PyTorch.
_LEAST, _TO_INSTALL = 1 * _GIB, 7 * _GIB
_GPU_PROGRAM = "import torch; print(torch.version.cuda or 'cpu', torch.cuda.is_available())"
_SECONDS = 120


def disk(folder: Path, installed: bool) -> Iterator[Seen]:
    """Room where notebooks, the user's files and temporary ones lie.

    Args:
        installed: whether the large packages are there already.
    """
    short = False
    for what, place in (
        ("notebooks", folder),
        ("your files", Path.home()),
        ("temporary files", Path(tempfile.gettempdir())),
    ):
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            short = True
            yield Seen(MEND, f"{place} can't be looked at ({error.strerror})", "name another folder, or ask for rights")
            continue
        if free < _LEAST:
            short = True
            mend = f"{quoted(sys.executable)} -m pip cache purge, empty the wastebasket, or move large files away"
            yield Seen(MEND, f"the disk is full: {free / _GIB:.1f} GiB free for {what} in {place}", mend)
    free = shutil.disk_usage(sys.prefix).free
    if not installed and free < _TO_INSTALL:
        short = True
        line = f"{free / _GIB:.1f} GiB free in {sys.prefix}: PyTorch and the rest need about {_TO_INSTALL // _GIB}"
        yield Seen(MEND, line, "make room, or make the environment on another disk")
    if not short:
        yield Seen(OK, f"{free / _GIB:.0f} GiB free")


def rights(folder: Path) -> Iterator[Seen]:
    """Whether notebooks can be saved."""
    for place in (folder, Path.home()):
        if not os.access(place, os.W_OK):
            yield Seen(MEND, f"{place} can't be written: nothing is saved there", "work in a folder of your own")


def data_sets() -> Iterator[Seen]:
    """Which data sets are here; without them notebooks use smaller ones, and say so."""
    named = os.environ.get("DL1_DATA")
    if named and not Path(named).is_dir():
        yield Seen(MEND, f"DL1_DATA names {named}, which is no folder", "unset DL1_DATA    (on Windows: set DL1_DATA=)")
    try:
        from dl1.data.folder import data_folder, known_data, known_names

        folder = data_folder()
        missing = [name for name in known_names() if not known_data(name).is_in(folder)]
        damaged = [name for name in known_names() if name not in missing and known_data(name).problems(folder)]
    except Exception as error:
        yield Seen(KNOW, f"data sets can't be looked at ({type(error).__name__}: {error})")
        return
    get = f"{quoted(sys.executable)} -m dl1.download"
    for name in damaged:
        yield Seen(MEND, f"the data set {name} in {folder} is damaged or half there", f"{get} {name}")
    if missing:
        line = f"without {', '.join(missing)} in {folder}: notebooks use smaller sets, and say so"
        yield Seen(KNOW, line, get)
    if not missing and not damaged:
        yield Seen(OK, f"all data sets are in {folder}")


def gpu() -> Iterator[Seen]:
    """Whether there is a GPU, and whether PyTorch can use it."""
    there = shutil.which("nvidia-smi") is not None
    try:
        command = [sys.executable, "-c", _GPU_PROGRAM]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        build, usable = done.stdout.split()[-2:]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        # That PyTorch can't be imported is said elsewhere.
        return
    if usable == "True":
        yield Seen(OK, f"PyTorch uses the GPU (CUDA {build})")
    elif there and build == "cpu":
        mend = "install the build for CUDA that PyTorch's installation page names for your driver"
        yield Seen(KNOW, "there is a GPU, and this PyTorch is a build for CPUs", mend)
    elif there:
        mend = "update the driver, or install an older CUDA build of PyTorch; nvidia-smi shows what the driver takes"
        yield Seen(KNOW, f"there is a GPU, and PyTorch (CUDA {build}) can't use it", mend)
    else:
        yield Seen(OK, "no GPU of NVIDIA: everything runs on the CPU, parts 1 and 2b for some minutes")
