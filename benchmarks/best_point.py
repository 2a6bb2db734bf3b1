"""What keeping the best weights is worth, and how far two measurements of one loss lie apart (Question 2.7).

    python benchmarks/best_point.py                         a replica of the full profile, a hundredth of its size
    python benchmarks/best_point.py --run FOLDER            a run that was kept: how far its loss is off elsewhere
    python benchmarks/best_point.py --seeds 5 --constant    the replica with a rate that does not fall

The replica has the ratios of the full profile: parameters to characters, passes over each character (640), dropout and
learning rate. A replica is no measurement of the profile itself: it shows what such ratios do to a model.

Needs the book (``python -m dl1.download grimm``), and for ``--run`` the module that 2a exports.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn as nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.train import GPT, GPTConfig
from dl1.data.corpus import load_corpus
from dl1.gpt.handed_in_model import CORPORA
from dl1.gpt.last_position_loss import logits_after, position_losses, spread_positions
from dl1.gpt.runs import load_run
from dl1.gpt.student_module import load_module
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer

HUNDREDTH = 100
# Four layers of 48: 118,000 parameters, about a hundredth of gpt-mini's 10.8 million.
LAYERS, HEADS, WIDTH, BLOCK, BATCH = 4, 3, 48, 64, 16
POINTS = 40
# What is claimed, what graders measure, and at how many other choices of positions that is tried.
CLAIMED, MEASURED, SHIFTS = 1_024, 512, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--constant", action="store_true", help="a rate that stays the same")
    parser.add_argument("--run", type=Path, help="folder with run.json, instead of the replica")
    parser.add_argument("--module", type=Path, default=Path("gpt.py"), help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.run:
        print(json.dumps(kept_run(options.run, options.module)))
    else:
        for seed in range(options.seeds):
            print(json.dumps(replica(seed, cosine=not options.constant)), flush=True)


def replica(seed: int, cosine: bool) -> dict[str, object]:
    """One training of the small copy: the smallest validation loss, the last one, and what both models' losses do."""
    corpus = load_corpus("grimm")
    tokenizer = CharTokenizer.from_text(corpus.text)
    training, validation = (tokenizer.encode(text) for text in corpus.split())
    full = PROFILES["full"]
    passes = full.epochs * full.block_size
    profile = replace(full, block_size=BLOCK, batch_size=BATCH, epochs=passes / BLOCK, cosine=cosine)
    torch.manual_seed(seed)
    rates = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), full.dropout)
    model = GPT(GPTConfig(LAYERS, HEADS, WIDTH, tokenizer.vocab_size, BLOCK, **rates))
    trainer = Trainer(model, training[: len(training) // HUNDREDTH], profile, seed=seed)
    curve, best, weights = [], float("inf"), {}
    while trainer.done < trainer.steps:
        trainer.step()
        if trainer.done % (trainer.steps // POINTS) == 0 or trainer.done == trainer.steps:
            curve.append((trainer.done, round(trainer.validation_loss(validation), 4)))
            if curve[-1][1] < best:
                best, weights = curve[-1][1], {name: weight.clone() for name, weight in model.state_dict().items()}
    last = spread(logits_after(model.eval()), validation, BLOCK)
    model.load_state_dict(weights)
    return {
        "rate": "cosine" if cosine else "constant",
        "seed": seed,
        "parameters": sum(map(torch.numel, model.parameters())),
        "steps": trainer.steps,
        "best step": min(curve, key=lambda point: point[1])[0],
        "curve": curve,
        "best": spread(logits_after(model.eval()), validation, BLOCK),
        "last": last,
    }


def kept_run(folder: Path, module_path: Path) -> dict[str, object]:
    """The same of a run that was kept, on the end of its own text."""
    run, module = load_run(folder), load_module(module_path)
    model: nn.Module = module.GPT(module.GPTConfig(**run.config))
    run.put_into(model)
    validation = run.tokenizer.encode(load_corpus(CORPORA[run.corpus]).split()[1])
    return {"claimed": run.validation_loss, **spread(logits_after(model.eval()), validation, model.block_size)}


def spread(
    next_logits: Callable[[torch.Tensor], torch.Tensor], tokens: torch.Tensor, block_size: int
) -> dict[str, float]:
    """Loss of the last position over a whole text, and what two choices of positions make of it, in nats."""
    everywhere = torch.arange(block_size, len(tokens))
    losses = position_losses(next_logits, tokens, everywhere, block_size)

    def mean(count: int, shift: float) -> float:
        return losses[spread_positions(len(tokens), block_size, count, shift) - block_size].mean().item()

    claim = mean(CLAIMED, 0.5)
    found = torch.tensor([mean(MEASURED, shift) for shift in torch.rand(SHIFTS).tolist()], dtype=torch.float64)
    return {
        "mean": round(losses.mean().item(), 3),
        "deviation of one position": round(losses.std().item(), 3),
        "claim": round(claim, 3),
        "deviation of a measurement": round(found.std().item(), 4),
        "largest difference to the claim": round((found - claim).abs().max().item(), 3),
        "most measured": round(found.max().item(), 3),
    }


if __name__ == "__main__":
    main()
