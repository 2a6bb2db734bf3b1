"""Lets a trained model write: ``python -m dl1.generate --prompt "Once upon a time"``.

The model is the student's own: classes and ``generate`` come from the ``gpt.py`` that notebooks 2a and 2b export,
weights and characters from the run that 2b or ``python -m dl1.train`` made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError
from dl1.gpt.runs import load_run
from dl1.gpt.student_module import load_module


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 0 or 1."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.generate",
        description="Let a trained model continue a text, with the student's own generate.",
    )
    parser.add_argument("--prompt", default="Once upon a time", help="what it goes on from (default: %(default)s)")
    parser.add_argument("--characters", type=int, default=300, metavar="N", help="to write (default: %(default)s)")
    parser.add_argument("--greedy", action="store_true", help="always the most likely character")
    parser.add_argument("--temperature", type=float, default=0.8, help="default: %(default)s")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K most likely characters only")
    parser.add_argument("--top-p", type=float, default=0.9, metavar="P", help="of the nucleus (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--module", type=Path, default=Path("gpt.py"), metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/2b_gpt_training"), metavar="DIR", help="default: %(default)s"
    )
    options = parser.parse_args(arguments)
    try:
        print(written(options))
    except (CourseError, NotImplementedError) as error:
        print("dl1.generate:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


def written(options: argparse.Namespace) -> str:
    """The prompt and what the model makes of it.

    Raises:
        CourseError: a setting is out of range, the module or the run can't be used, or the prompt has an unknown
            character.
        NotImplementedError: a part of the student's code is not finished.
    """
    if options.temperature <= 0 or not 0 < options.top_p <= 1 or options.characters < 1 or (options.top_k or 1) < 1:
        raise CourseError("temperature must be above 0, top-p from 0 to 1 (not 0), top-k and characters 1 or more")
    if not options.prompt:
        raise CourseError("an empty prompt is nothing to go on from: give at least one character")
    module, run = load_module(options.module), load_run(options.run)
    if not hasattr(module, "generate"):
        raise CourseError(f"{options.module} has no generate: run the export cell of 2b_gpt_training, which adds it")
    idx = run.tokenizer.encode(options.prompt)[None]  # (1, T)
    settings = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    with in_one_line("generate"):
        model = module.GPT(module.GPTConfig(**run.config))
    run.put_into(model)
    torch.manual_seed(options.seed)
    with in_one_line("generate"), evaluating(model):
        result = module.generate(model, idx, options.characters, do_sample=not options.greedy, **settings)
    return run.tokenizer.decode(result[0])
