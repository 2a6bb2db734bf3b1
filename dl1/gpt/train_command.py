"""Trains the language model from a shell: ``python -m dl1.train --module gpt.py``.

A training that was killed goes on from its last checkpoint when the same command is given again, in the same order of
the text. Exit status: 0 finished, 1 an error, 75 stopped by an interruption or by SIGTERM, as a cluster sends it before
a job's time is over.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from dl1.data.corpus import NAMES, Corpus, load_corpus, read_corpus
from dl1.errors import CourseError
from dl1.gpt.runs import Run
from dl1.gpt.session import chosen_profile, train_gpt
from dl1.gpt.student_module import build_gpt, load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES
from dl1.notebook.devices import DEVICES

# "Temporary failure" in the usual list of exit statuses: whoever reads it may start the command again.
STOPPED = 75


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dl1.train",
        description="Train the language model of notebook 2a on a text. Stopped or killed, the same command goes on.",
    )
    parser.add_argument(
        "--module", type=Path, default=Path("gpt.py"), metavar="FILE", help="what 2a exports (default: %(default)s)"
    )
    parser.add_argument("--preset", help="gpt-nano, gpt-micro or gpt-mini (default: the profile's)")
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        help=f"{', '.join(NAMES)} or a text file (default: Grimm if it was downloaded, else the kit's tales)",
    )
    parser.add_argument("--profile", choices=list(PROFILES), help="default: full with a GPU, else quick")
    parser.add_argument("--steps", type=_positive, metavar="N", help="default: the profile's")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the run (default: runs/2b_gpt_training in the current folder)",
    )
    parser.add_argument("--device", choices=DEVICES, help="default: the GPU, if there is one")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    options = parser.parse_args(arguments)
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        run = _train(options)
    except KeyboardInterrupt:
        return _failed("stopped: give the command again to go on from the last checkpoint", STOPPED)
    except (CourseError, NotImplementedError) as error:
        return _failed(str(error), 1)
    except OSError as error:
        return _failed(f"{error}: put that right, then give the command again", 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(
        f"training loss {run.training_loss:.3f}, "
        f"validation loss {run.validation_loss:.3f} ± {run.validation_error:.3f} (the weights of step "
        f"{run.kept_step:,}), "
        f"{run.tokens_per_second:,.0f} tokens/s, {run.wall_seconds:,.0f} s"
    )
    return 0 if run.is_finished else STOPPED


def _train(options: argparse.Namespace) -> Run:
    module = load_module(options.module)
    corpus = _corpus(options.corpus)
    profile = chosen_profile(corpus, options.profile)
    tokenizer = CharTokenizer.from_text(corpus.text)
    preset = {"preset": options.preset} if options.preset else {}
    model = build_gpt(module, tokenizer.vocab_size, profile, options.seed, options.device, **preset)
    folder = options.out.expanduser().resolve() if options.out else None
    return train_gpt(
        model,
        corpus,
        tokenizer,
        folder=folder,
        profile=options.profile,
        steps=options.steps,
        seed=options.seed,
        device=options.device,
    )


def _corpus(name: str | None) -> Corpus:
    if name is None or name in NAMES:
        return load_corpus(name)
    if not Path(name).suffix and not Path(name).exists():
        raise CourseError(f"there is no corpus {name!r}: choose one of {', '.join(NAMES)}, or give a text file")
    return read_corpus(Path(name))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _failed(message: str, status: int) -> int:
    print("dl1.train:", " ".join(message.split()), file=sys.stderr)
    return status
