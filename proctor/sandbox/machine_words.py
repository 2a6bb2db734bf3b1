"""Errors that are about the grading machine and read as if they were about the code, in words for a student.

Libraries say that a driver is missing, or that something can't be done in a forked process. Whoever wrote the code on a
machine of their own needs to know what differs here and what to write instead.
"""

from __future__ import annotations

import re

_GPU = "your code asks for a GPU; it is graded on a CPU: use the device of the inputs"
_NETWORK = "your code asks for the network; there is none where it is graded: use what the notebook has loaded"
_WRITING = "your code writes where nothing may be written while it is graded: write into the notebook's own folder"
_SPACE = "your code fills the disk of the place where it is graded: write less"
_SCREEN = "your code opens a window; there is no screen where it is graded: draw in the notebook"
_PROCESSES = "your code starts more threads or processes than it may where it is graded: start fewer"
_SHARED = "your code hands large data to other processes, which does not work where it is graded: use num_workers=0"

_GPU_NAMES = r"cuda|cudnn|cublas|nccl|hip|xpu|mps|mtia|hpu|gpus?"
_TOLD = [
    (_GPU, rf"not (?:compiled|linked) with (?:support for )?(?:{_GPU_NAMES})\b"),
    (_GPU, r"cannot re-initialize (?:cuda|xpu|hip) in forked subprocess"),
    (_GPU, r"no (?:nvidia|amd|intel)\b.{0,20}\b(?:driver|gpu)"),
    (_GPU, r"no (?:cuda|hip|xpu|mps)?[- ]?(?:gpus?|devices?|capable device) (?:are|is) (?:available|detected)"),
    (_GPU, rf"\b(?:{_GPU_NAMES})\b[\w ,.:-]{{0,40}}\b(?:error|failed|not available|unavailable|out of memory)"),
    (_GPU, r"\b(?:cuda|hip|xpu|mps) (?:backend|device)s? (?:is|are) not (?:supported|available)"),
    (_GPU, r"torch\.(?:cuda|mps|xpu)\.is_available\(\) is false"),
    (_GPU, r"object on (?:an? )?(?:cuda|mps|xpu) device"),
    (_GPU, r"invalid device ordinal|unknown cuda|libcuda|libcudart|cudagetdevice|_cuda_(?:init|getdevice)"),
    (_GPU, r"without (?:cuda|mps|xpu) backend|arguments from the '(?:cuda|hip|mps|xpu)\w*' backend"),
    (_GPU, r"same device.{0,80}\b(?:cuda|mps|xpu)\b"),
    (_GPU, r"no (?:backend|kernel).{0,60}'(?:cuda|mps|xpu)'|storage device not recognized: (?:cuda|mps|xpu)"),
    (_NETWORK, r"name or service not known|temporary failure in name resolution|network is unreachable"),
    (_NETWORK, r"no address associated with hostname|failed to resolve|max retries exceeded with url"),
    (_WRITING, r"\[errno 30\]|read-only file system"),
    (_SPACE, r"\[errno 28\]|no space left on device|\[errno 27\]|file too large"),
    (_SCREEN, r"\$display|could(?: not|n't) connect to display|no display name|cannot load backend '(?:tk|qt|gtk|wx)"),
    (_PROCESSES, r"can't start new thread|\[errno 11\]|resource temporarily unavailable"),
    (_SHARED, r"unable to (?:open|write|mmap|allocate) .{0,20}shared memory|/dev/shm|bus error.{0,40}shared memory"),
]
_PATTERNS = [(told, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for told, pattern in _TOLD]
# They are at the beginning; what follows is advice for other machines.
_LOOKED_AT = 1_000


def in_plain_words(text: str) -> str:
    """The text of an exception, or what it means here if it is about the grading machine."""
    beginning = text[:_LOOKED_AT]
    return next((told for told, pattern in _PATTERNS if pattern.search(beginning)), text)
