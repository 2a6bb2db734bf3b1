"""Errors about the grading machine are told in words; errors about the code stay what they are."""

import pytest
import torch

from proctor.sandbox.machine_words import in_plain_words

GPU = [
    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the …",
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://x",
    "Torch not compiled with CUDA enabled",
    "Torch not compiled with XPU enabled",
    "PyTorch is not linked with support for mps devices",
    "No CUDA GPUs are available",
    "No HIP GPUs are available",
    "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be …",
    "CUDA driver initialization failed, you might not have a CUDA gpu.",
    "CUDA out of memory. Tried to allocate 2 MiB",
    "CUDA unknown error - this may be due to an incorrectly set up environment",
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running …",
    "Attempting to deserialize object on a MPS device",
    "Cannot execute deviceSynchronize() without MPS backend.",
    "Could not run 'aten::empty.memory_format' with arguments from the 'MPS' backend. This could be because …",
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
    "The MPS backend is supported on MacOS 14.0+. Current OS version can be queried using `sw_vers`, mps not available",
    "CUDA is not available",
]
OTHERS = {
    "network": [
        "<urlopen error [Errno -3] Temporary failure in name resolution>",
        "[Errno 101] Network is unreachable",
    ],
    "folder": ["[Errno 30] Read-only file system: '/opt/x'"],
    "disk": ["[Errno 28] No space left on device"],
    "window": ["no display name and no $DISPLAY environment variable"],
    "threads": ["can't start new thread", "[Errno 11] Resource temporarily unavailable"],
    "num_workers": ["unable to open shared memory object </torch_12> in read-write mode: No such file (2)"],
}
OF_THE_CODE = [
    "",
    "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
    "name 'cuda_model' is not defined",
    "'Net' object has no attribute 'cuda_blocks'",
    "Expected all tensors to be on the same device, but found at least two devices, meta and cpu!",
    "Expected tensor to have the same dtype, but got float and double",
    "No such file or directory: '/home/anna/cuda/error.txt'",
    "expected device cpu",
    "list index out of range",
    "Found dtype Double but expected Float",
    "unexpected keyword argument 'device'",
    "a map of steps is not available",
    "no module named 'mpslib'",
]


@pytest.mark.parametrize("text", GPU)
def test_a_missing_gpu(text):
    assert in_plain_words(text) == "your code asks for a GPU; it is graded on a CPU: use the device of the inputs"


@pytest.mark.parametrize("words", OTHERS)
def test_what_else_is_not_there(words):
    for text in OTHERS[words]:
        assert in_plain_words(text) != text
        assert words in in_plain_words(text)


@pytest.mark.parametrize("text", OF_THE_CODE)
def test_errors_of_the_code_stay_as_they_are(text):
    assert in_plain_words(text) == text


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "xpu"])
@pytest.mark.parametrize("ask", ["tensor", "layer", "to"])
def test_what_torch_says_today(device, ask):
    with pytest.raises((RuntimeError, AssertionError, NotImplementedError)) as caught:
        {
            "tensor": lambda: torch.ones(2, device=device),
            "layer": lambda: torch.nn.Linear(2, 2).to(device),
            "to": lambda: torch.ones(2).to(device),
        }[ask]()
    assert "asks for a GPU" in in_plain_words(str(caught.value))
