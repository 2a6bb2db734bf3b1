"""The student's own model: its module found and imported, a model of its classes made."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.nn as nn

from dl1.contract.unfinished import explained
from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import Profile, fused_attention_pays
from dl1.notebook.devices import choose_device

_EXPORT = "run 2a to its end, its last cell exports the model"


def load_module(path: Path | str) -> ModuleType:
    """Import the module that 2a exports, from wherever it lies.

    Raises:
        CourseError: the file is missing, or can't be imported.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"{path} was not found: {_EXPORT}; then give its path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CourseError(f"{path} is no Python module: give the path of gpt.py")
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up while it is made.
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    # Whatever stands in the file.
    except Exception as error:
        del sys.modules[path.stem]
        raise CourseError(f"{path} can't be imported ({type(error).__name__}: {error}): {_EXPORT} anew") from error
    return module


def build_gpt(
    module: ModuleType,
    vocab_size: int,
    profile: Profile,
    seed: int = 0,
    device: str | None = None,
    **changes: Any,
) -> nn.Module:
    """A new model of the student's own classes, with fused attention where that pays, and is finished and right.

    Args:
        module: has GPT and GPTConfig, such as the module that 2a exports.
        vocab_size: of the tokenizer.
        profile: for preset, block size and dropout.
        seed: of the first weights; the generator of the caller stays as it is.
        device: that it will be trained on; a GPU, if there is one and this is left out.
        changes: other fields of GPTConfig, or ``preset``.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the module has no such classes, or there is no such preset.
    """
    if not (hasattr(module, "GPT") and hasattr(module, "GPTConfig")):
        raise CourseError(f"{module.__name__}.py has no GPT and GPTConfig: {_EXPORT}")
    preset = changes.pop("preset", profile.preset)
    rates = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), profile.dropout)
    sizes = {"vocab_size": vocab_size, "block_size": profile.block_size, **rates, **changes}
    if "use_flash_attn" not in sizes and not fused_attention_pays(choose_device(device)):
        sizes["use_flash_attn"] = False
    elif "use_flash_attn" not in sizes:
        problem = fused_attention_problem(module)
        if problem:
            print(f"{problem}: attention is computed step by step, which is slower")
        sizes["use_flash_attn"] = not problem
    try:
        config = module.GPTConfig.preset(preset, **sizes)
    except (ValueError, TypeError) as error:
        raise CourseError(f"GPTConfig.preset({preset!r}): {error}") from None
    with explained(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module.GPT(config)


def fused_attention_problem(module: ModuleType) -> str:
    """Why attention can't go through PyTorch's fused function (Question 2.9); empty if it can."""
    outputs = {}
    for fused in (False, True):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 8, "block_size": 8}
            try:
                model = module.GPT(module.GPTConfig(**sizes, use_flash_attn=fused)).eval()
                for weight in model.parameters():
                    # As they begin, weights are so small that a wrong attention would hardly show.
                    nn.init.normal_(weight, std=0.5)
                outputs[fused] = model(torch.arange(8)[None])
            except NotImplementedError as error:
                outputs[fused] = str(error)
            # The student's own mistake, whatever it is: it is shown where the part is checked.
            except Exception as error:
                outputs[fused] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if not isinstance(outputs[True], torch.Tensor):
        # What fails in the same way without fused attention will be said by the model itself.
        return "" if outputs[True] == outputs[False] else f"Fused attention does not work yet ({outputs[True]})"
    by_hand = outputs[False]
    if isinstance(by_hand, torch.Tensor) and not torch.allclose(outputs[True], by_hand, rtol=1e-3, atol=1e-3):
        return "Fused attention (2.9) gives other outputs than attention step by step (2.2)"
    return ""


def model_config(model: nn.Module, vocab_size: int) -> dict[str, Any]:
    """Fields of a model's GPTConfig, by name, as a run keeps them."""
    sizes = {"vocab_size": vocab_size, "block_size": model.block_size}
    return {**vars(getattr(model, "config", SimpleNamespace())), **sizes}


def check_model(model: nn.Module, tokenizer: CharTokenizer) -> None:
    """Ask a model for the logits of one token.

    Raises:
        NotImplementedError: a part of it is not finished; its text names it.
        CourseError: the logits have not the shape (B, T, V) with the tokenizer's number of characters as V.
    """
    place = next(model.parameters()).device
    with explained(), torch.random.fork_rng(devices=[]), torch.no_grad():
        shape = tuple(model(torch.zeros(2, 1, dtype=torch.int64, device=place)).shape)
    if shape != (2, 1, tokenizer.vocab_size):
        raise CourseError(
            f"for idx of shape (2, 1) the model's logits have shape {shape}, but the tokenizer has "
            f"{tokenizer.vocab_size} characters: make the model with vocab_size={tokenizer.vocab_size}"
        )
