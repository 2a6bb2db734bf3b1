"""Training for too long, on purpose: a small model and a text so short that it learns it by heart in seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from dl1.contract.unfinished import explained
from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Trainer
from dl1.notebook import runs

_SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 32}
_RATES = ("embd_pdrop", "resid_pdrop", "attn_pdrop")
_BATCH, _RATE, _EVERY, _FEW_STEPS = 16, 3e-3, 20, 2
_TRAINING, _VALIDATION = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Overfitted:
    """The curves of a training; printed, where its best point was.

    Attributes:
        characters: how many it learned from.
        passes: how often it has seen each of them.
        dropout: at all three places.
        steps, training, validation: after which was measured, and both losses there, in nats.
    """

    characters: int
    passes: float
    dropout: float
    steps: list[int]
    training: list[float]
    validation: list[float]

    @property
    def best(self) -> int:
        """Number of the point with the smallest validation loss."""
        return min(range(len(self.steps)), key=self.validation.__getitem__)

    def __str__(self) -> str:
        return (
            f"{self.characters:,} characters, each seen {self.passes:.0f} times, dropout {self.dropout:g}: "
            f"best at step {self.steps[self.best]:,} with {self.validation[self.best]:.2f}; "
            f"at the end {self.validation[-1]:.2f} on new text, {self.training[-1]:.2f} on its own"
        )


def overfit(
    module: ModuleType,
    tokenizer: CharTokenizer,
    corpus: Corpus,
    characters: int = 3_000,
    dropout: float = 0.0,
    steps: int = 600,
    seed: int = 0,
) -> Overfitted:
    """Train two layers on the beginning of a text, and measure on the end of it; half a minute on two cores.

    While nbgrader validates or grades, two steps are done.

    Args:
        module: has GPT and GPTConfig, such as the module that 2a exports.
        tokenizer: that knows the text's characters.
        corpus: that the text comes from.
        characters: to learn from.
        dropout: at all three places of the model.
        steps: of 16 windows of 32 characters each, with AdamW.
        seed: of weights, order of the windows and dropout; the caller's generator stays as it is.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: a number makes no sense, or the text is too short.
    """
    if steps < 1 or characters < 2 * _SIZES["block_size"] or not 0 <= dropout < 1:
        raise CourseError("steps must be larger than 0, characters 64 or more, and dropout from 0 to less than 1")
    steps = min(steps, _FEW_STEPS) if runs.is_rerun() else steps
    begin, end = (tokenizer.encode(text) for text in corpus.split())
    rates = dict.fromkeys(_RATES, dropout)
    with explained(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = {"vocab_size": tokenizer.vocab_size, **_SIZES, **rates, "use_flash_attn": False}
        model = module.GPT(module.GPTConfig(**sizes))
        profile = replace(PROFILES["quick"], batch_size=_BATCH, learning_rate=_RATE, cosine=False)
        learned = begin[:characters]
        trainer = Trainer(model, learned, profile, steps=steps, seed=seed)
        done, training, validation = [], [], []
        for step in tqdm(range(1, steps + 1), desc=f"learning {len(learned):,} characters", leave=False):
            loss = trainer.step()
            if step % _EVERY == 0 or step == steps:
                trainer.check_finite(loss.item())
                done.append(step)
                training.append(trainer.validation_loss(learned))
                validation.append(trainer.validation_loss(end))
    passes = steps * trainer.tokens_per_step / len(learned)
    return Overfitted(len(learned), passes, dropout, done, training, validation)


def plot_overfitting(found: Overfitted) -> Figure:
    """Both losses over the steps, with the best point marked."""
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    axis.plot(found.steps, found.training, color=_TRAINING, label="the text that it learns")
    axis.plot(found.steps, found.validation, color=_VALIDATION, label="text that it has never seen")
    step, loss = found.steps[found.best], found.validation[found.best]
    axis.plot(step, loss, "o", color=_VALIDATION, label=f"smallest: {loss:.2f}, step {step:,}")
    axis.set(xlabel="step", ylabel="loss (nats per character)")
    axis.set_title(f"{found.characters:,} characters, dropout {found.dropout:g}", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure
