"""Trains the small model of the course's that comes with ``dl1``, and writes down what it says.

    python benchmarks/course_model.py --module gpt.py --to dl1/data/course_gpt

The module is the one that 2a exports. The text is the Brothers Grimm's book (``python -m dl1.download grimm``) in
lower case, without what is neither a letter nor a common mark: a run on it is none that 2.7 takes, because it doesn't
know the characters of the text that is measured there. Training is the kit's, by the quick profile with more steps.

Each random number of the drawn text is the middle of what belongs to its character, and no step is taken at which a sum
of probabilities comes near the threshold of the nucleus: so right implementations, which add in other orders, write the
same text.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import torch
import torch.nn as nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dl1.data.corpus import Corpus, load_corpus
from dl1.gpt.course_model import SPOKEN, course_model, log_probabilities
from dl1.gpt.runs import RECORD, WEIGHTS, load_run
from dl1.gpt.session import train_gpt
from dl1.gpt.student_module import build_gpt, load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES
from dl1.notebook.runs import save_result

LETTERS = "\n !\"'(),-.:;?abcdefghijklmnopqrstuvwxyz"
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-"})
PROMPT, GREEDY, DRAWN = "once upon a time there was ", 80, 240
TEMPERATURE, TOP_P = 0.7, 0.9
# Of probability: how wide at least what belongs to a character, and how far a sum has to be from the threshold. Added
# in another order, float32 differs by less than 1e-5.
WIDE, NEAR = 2e-3, 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", type=Path, default=Path("gpt.py"), help="default: %(default)s")
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights and the texts")
    parser.add_argument("--steps", type=int, default=1_500, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="only write the texts anew, with the weights there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    module = load_module(options.module)
    if not options.keep:
        train(module, options.steps, options.to)
    run = load_run(options.to)
    model = course_model(module, run)
    with torch.no_grad():
        told = next(filter(None, (speak(model, run.tokenizer, seed) for seed in range(100))))
    save_result(options.to / SPOKEN, told)
    print(
        f"{run.validation_loss:.3f} nats, step {run.kept_step:,}\n{PROMPT}|{told['greedy']}\n{PROMPT}|{told['drawn']}"
    )


def train(module: ModuleType, steps: int, folder: Path) -> None:
    """A run on the book in lower case; of its folder, record and weights are kept."""
    text = "".join(c for c in load_corpus("grimm").text.lower().translate(PLAIN) if c in LETTERS)
    tokenizer = CharTokenizer(LETTERS)
    model = build_gpt(module, tokenizer.vocab_size, PROFILES["quick"], use_flash_attn=False)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Corpus("Grimm in lower case", text)
        train_gpt(model, corpus, tokenizer, folder=Path(scratch), profile="quick", steps=steps, device="cpu")
        for name in (RECORD, WEIGHTS):
            shutil.copy(Path(scratch) / name, folder / name)


def speak(model: nn.Module, tokenizer: CharTokenizer, seed: int) -> dict[str, object] | None:
    """What has to be said again: a greedy text, a drawn one with its random numbers, and log p of its characters.

    None where rounding could decide about one.
    """
    generator = torch.Generator().manual_seed(seed)
    prompt = tokenizer.encode(PROMPT)
    greedy = prompt
    for _ in range(GREEDY):
        logits = model(greedy[None, -model.block_size :])[0, -1]
        two = logits.topk(2).values
        if two[0] - two[1] < WIDE:
            raise SystemExit(f"two characters are equally likely after {tokenizer.decode(greedy)!r}: another prompt")
        greedy = torch.cat([greedy, logits.argmax()[None]])
    drawn, draws = prompt, []
    for _ in range(DRAWN):
        logits = model(drawn[None, -model.block_size :])[0, -1]
        drawn_one = _draw((logits.double() / TEMPERATURE).softmax(-1), generator)
        if drawn_one is None:
            return None
        drawn, draws = torch.cat([drawn, torch.tensor([drawn_one[1]])]), [*draws, drawn_one[0]]
    return {
        "prompt": PROMPT,
        "temperature": TEMPERATURE,
        "top_p": TOP_P,
        "greedy": tokenizer.decode(greedy[len(prompt) :]),
        "drawn": tokenizer.decode(drawn[len(prompt) :]),
        "draws": draws,
        "log_probabilities": [round(each, 6) for each in log_probabilities(model, prompt, drawn[len(prompt) :])],
    }


def _draw(probabilities: torch.Tensor, generator: torch.Generator) -> tuple[float, int] | None:
    """The middle of a token's stretch of the nucleus's cumulative probability, and the token; None near a threshold."""
    largest, order = probabilities.sort(descending=True)
    sums = largest.cumsum(0)
    if (sums - TOP_P).abs().min() < NEAR:
        return None
    kept = torch.zeros_like(probabilities).scatter(0, order, largest * (sums - largest < TOP_P))
    kept = kept / kept.sum()
    while True:
        token = int(torch.multinomial(kept, 1, generator=generator))
        if kept[token] > WIDE:
            break
    begin = float(kept[:token].sum())
    return round(begin + float(kept[token]) / 2, 6), token


if __name__ == "__main__":
    main()
