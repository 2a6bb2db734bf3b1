"""A large run that is there already, from a cluster for instance: a small one must not replace it unasked."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
import torch.nn as nn

from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.last_position_loss import last_position_loss, logits_after, spread_positions
from dl1.gpt.runs import Run, load_run
from dl1.gpt.training import PROFILES
from dl1.notebook.runs import PROFILE_VARIABLE

LARGEST = list(PROFILES)[-1]
_POSITIONS = 128
# At other and fewer positions the mean of losses with a standard deviation of 1.4 is known to 0.12.
_ROUGHLY_SAME_LOSS = 0.5


def larger_run(model: nn.Module, validation: torch.Tensor, folder: Path, corpus: Corpus) -> Run | None:
    """The finished run of the largest profile in a folder, with its model, if it is of this text and still true.

    Args:
        model: of the student's classes; the run's may have other sizes. It stays as it is.
        validation: tokens (T,), int64.
        folder: of the run.
        corpus: that is to be trained on.
    """
    try:
        run = load_run(folder)
        if not run.is_finished or run.profile != LARGEST or run.corpus_sha256 != corpus.sha256:
            return None
        run.model = run.model_like(copy.deepcopy(model))
    except CourseError:
        return None
    size = run.model.block_size
    place = next(run.model.parameters()).device
    positions = spread_positions(len(validation), size, _POSITIONS)
    loss = last_position_loss(logits_after(run.model), validation.to(place), positions, size)
    if abs(loss - run.validation_loss) > _ROUGHLY_SAME_LOSS:
        return None
    print(f"trained before, with the {run.profile} profile: loaded from {folder}")
    print(f"To train here, set {PROFILE_VARIABLE} to quick, or move that folder away")
    return run
