"""The loss of a language model that is asked for one token at a time and never sees the answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from dl1.errors import CourseError


def spread_positions(length: int, block_size: int, count: int, shift: float = 0.5) -> torch.Tensor:
    """Positions of a text with a whole context before each of them, evenly spread: (M,), int64, ascending.

    Args:
        length: of the text, in tokens.
        block_size: of the model; the first position that is possible.
        count: how many positions; fewer, each once, where the text is too short for that many.
        shift: where in its stretch of the text each position lies, from 0 (begin) to 1 (end); another shift gives
            other positions, to measure again.

    Raises:
        CourseError: the text has no position with a whole context.
    """
    possible = length - block_size
    if possible < 1:
        raise CourseError(
            f"a text of {length:,} tokens has no position with a context of {block_size} before it: take a longer text "
            "or a smaller block_size"
        )
    places = (torch.arange(count, dtype=torch.float64) + shift) * possible / count
    return block_size + places.long().clamp(max=possible - 1).unique()


def position_losses(
    next_logits: Callable[[torch.Tensor], torch.Tensor],
    tokens: torch.Tensor,
    positions: torch.Tensor,
    block_size: int,
    batch_size: int = 128,
) -> torch.Tensor:
    """Cross-entropy at each position, in nats: (M,), float64, on the CPU.

    For position p the model gets ``tokens[p - block_size : p]`` and nothing else, and is scored by how likely it finds
    ``tokens[p]``. A model whose attention looks ahead gains nothing: there is nothing ahead to look at.

    Args:
        next_logits: from contexts (B, block_size) to the logits (B, V) of the token that follows each.
        tokens: (T,), int64.
        positions: (M,), int64, each from block_size to T - 1.
        block_size: length of a context.
        batch_size: contexts at a time.

    Raises:
        CourseError: a position has no whole context or no token, or the logits have another shape.
    """
    if not len(positions):
        raise CourseError("there is no position to measure at: give one or more, such as those of spread_positions")
    if positions.min() < block_size or positions.max() >= len(tokens):
        raise CourseError(f"positions must be from block_size ({block_size}) to {len(tokens) - 1}, the last token's")
    positions = positions.to(tokens.device)
    before = torch.arange(-block_size, 0, device=tokens.device)
    losses = []
    with torch.no_grad():
        for chosen in positions.split(batch_size):
            logits = next_logits(tokens[chosen[:, None] + before])  # (B, V)
            if logits.dim() != 2 or len(logits) != len(chosen):
                raise CourseError(
                    f"next_logits gave shape {tuple(logits.shape)} for {len(chosen)} contexts: it must give (B, V), "
                    "the logits of the last position"
                )
            losses.append(F.cross_entropy(logits.float(), tokens[chosen], reduction="none").double().cpu())
    return torch.cat(losses)


def last_position_loss(
    next_logits: Callable[[torch.Tensor], torch.Tensor],
    tokens: torch.Tensor,
    positions: torch.Tensor,
    block_size: int,
    batch_size: int = 128,
) -> float:
    """Mean of :func:`position_losses`, in nats: the validation loss of a run.

    With M positions drawn from the same text its standard deviation is that of the single losses over sqrt(M), and of
    the difference between two such measurements sqrt(2) times that.

    Raises:
        CourseError: as in :func:`position_losses`.
    """
    return position_losses(next_logits, tokens, positions, block_size, batch_size).mean().item()


def logits_after(model: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """What :func:`last_position_loss` asks of a model with logits (B, T, V): those of the last position, (B, V)."""
    return lambda contexts: model(contexts)[:, -1]
