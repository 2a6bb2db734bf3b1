"""What a run is told apart by: the facts of its record, and the key of whatever its result depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch.nn as nn

from dl1.data.corpus import Corpus
from dl1.gpt.student_module import model_config
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import Trainer


def run_facts(model: nn.Module, corpus: Corpus, tokenizer: CharTokenizer, profile: str, seed: int) -> dict[str, Any]:
    """What is known before the first step, by the names of :class:`dl1.gpt.runs.Run`."""
    return {
        "config": model_config(model, tokenizer.vocab_size),
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "characters": tokenizer.characters,
        "profile": profile,
        "seed": seed,
    }


def run_key(trainer: Trainer, facts: Mapping[str, Any]) -> str:
    """Changes with whatever the result depends on, but for the model's code."""
    shapes = [(name, tuple(weight.shape)) for name, weight in trainer.model.state_dict().items()]
    profile = trainer.profile
    how = (profile.batch_size, profile.learning_rate, profile.cosine, trainer.steps, facts["seed"])
    parts = [type(trainer.model).__name__, shapes, sorted(facts["config"].items()), facts["corpus_sha256"], how]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
