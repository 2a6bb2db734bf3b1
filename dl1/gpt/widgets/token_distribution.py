"""What may come next in a text: the distribution of a student's sampling code, as bars in a page and in a figure."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dl1.contract.student_calls import evaluating, in_one_line
from dl1.errors import CourseError
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer

SHOWN = 20
# Blue and vermilion of Okabe and Ito's palette, told apart with every common kind of colour vision.
_KEPT, _CUT = "#0072B2", "#D55E00"
_FULL_BAR = 300
# Float32 probabilities of a few hundred tokens can be off by 1e-5 together; a missing division is off by far more.
_SUM_TOLERANCE = 1e-3
_NAMES = {" ": "space", "\n": "newline", "\t": "tab", "\u00a0": "no-break space"}

NextTokenProbabilities = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Setting:
    """How a token is drawn; None turns a limit off."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def words(self) -> str:
        """Such as "temperature 0.80, top-p 0.60"."""
        found = [f"temperature {self.temperature:.2f}"]
        if self.top_p is not None:
            found.append(f"top-p {self.top_p:.2f}")
        if self.top_k is not None:
            found.append(f"top-k {self.top_k}")
        return ", ".join(found)


@dataclass(frozen=True)
class TokenDistribution:
    """What may come next, from the likeliest token to the least likely.

    Attributes:
        names: of the tokens, V of them.
        probabilities: (V,), float64: after the temperature, nothing cut.
        drawn_with: (V,), float64: after top-k and top-p; 0 for what is cut.
    """

    names: tuple[str, ...]
    probabilities: torch.Tensor
    drawn_with: torch.Tensor

    def summary(self) -> str:
        """How much is kept, and what is wrong with the sum if it is."""
        kept = self.drawn_with > 0
        share = self.probabilities[kept].sum().item()
        words = f"{int(kept.sum())} of {len(kept)} tokens kept, which had {share:.1%} together"
        for when, values in (("after the temperature", self.probabilities), ("after the cut", self.drawn_with)):
            if abs(values.sum().item() - 1) > _SUM_TOLERANCE:
                words += f"; {when} the probabilities sum to {values.sum().item():.3f}, not to 1"
        return words


def prompt_logits(model: nn.Module, tokenizer: CharTokenizer, prompt: str) -> torch.Tensor:
    """The logits of the token that follows a text, (1, V), float32, of a model in eval mode.

    Args:
        model: from (B, T), int64, to (B, T, V), with ``block_size``; it sees the last ``block_size`` characters.

    Raises:
        CourseError: the text is empty or has unknown characters, or the model fails or is for another vocabulary.
    """
    if not prompt:
        raise CourseError("the prompt is empty: write at least one character")
    idx = tokenizer.encode(prompt)[None]  # (1, T)
    with in_one_line("the model"), evaluating(model) as place:
        logits = model(idx[:, -model.block_size :].to(place))
    if not isinstance(logits, torch.Tensor) or logits.dim() != 3:
        raise CourseError(f"the model gave {_described(logits)} in place of logits (B, T, V)")
    if logits.shape[2] != tokenizer.vocab_size:
        raise CourseError(
            f"the model has logits for {logits.shape[2]} tokens, but the tokenizer has {tokenizer.vocab_size}: "
            "take the tokenizer that the model was trained with"
        )
    return logits[:, -1].float()


def token_distribution(
    next_token_probabilities: NextTokenProbabilities, logits: torch.Tensor, characters: str, setting: Setting
) -> TokenDistribution:
    """The student's distribution for logits (1, V), with and without the cut.

    Raises:
        CourseError: the function is not finished, fails, or gives no probabilities.
    """
    whole = _called(next_token_probabilities, logits, temperature=setting.temperature, top_k=None, top_p=None)
    cut = _called(
        next_token_probabilities,
        logits,
        temperature=setting.temperature,
        top_k=setting.top_k,
        top_p=setting.top_p,
    )
    order = whole.argsort(descending=True, stable=True)
    names = tuple(token_name(characters[number]) for number in order.tolist())
    return TokenDistribution(names, whole[order], cut[order])


def token_name(character: str) -> str:
    """A character so that it can be read, also where there is nothing to see."""
    if character in _NAMES:
        return _NAMES[character]
    if unicodedata.category(character)[0] in "CMZ":
        return unicodedata.name(character, f"U+{ord(character):04X}").lower()
    return character


def bars_html(distribution: TokenDistribution, setting: Setting) -> str:
    """A table with a bar for each of the likeliest tokens under a setting.

    Kept ones are filled and say so, cut ones are hatched: the colour is never alone.
    """
    rows = []
    for name, share, drawn in zip(
        distribution.names[:SHOWN],
        distribution.probabilities[:SHOWN].tolist(),
        distribution.drawn_with[:SHOWN].tolist(),
        strict=True,
    ):
        fill, border, words = f"background:{_KEPT}", _KEPT, f"✓ kept, drawn with {drawn:.1%}"
        if not drawn > 0:
            fill = f"background:repeating-linear-gradient(45deg,{_CUT} 0 2px,#fff 2px 6px)"
            border, words = _CUT, "✗ cut"
        rows.append(
            f'<tr><th scope="row" style="text-align:right;width:7em;padding:0 8px;font-weight:normal">'
            f"<code>{html.escape(name)}</code></th>"
            f'<td style="width:{_FULL_BAR + 8}px"><span style="display:block;box-sizing:border-box;height:12px;'
            f'print-color-adjust:exact;border:1px solid {border};width:{max(1, _FULL_BAR * share):.1f}px;{fill}">'
            f'</span></td><td style="text-align:right;width:4em">{share:.1%}</td>'
            f'<td style="padding-left:12px;white-space:nowrap">{words}</td></tr>'
        )
    rest = len(distribution.names) - SHOWN
    more = f"; the {rest} others had {distribution.probabilities[SHOWN:].sum().item():.1%}" if rest > 0 else ""
    return (
        f'<table style="line-height:1.3;border-spacing:0"><caption style="text-align:left;white-space:nowrap">'
        f"{html.escape(f'{setting.words()}: {distribution.summary()}{more}')}</caption><thead><tr><th></th>"
        '<th style="text-align:left" colspan="3">probability after the temperature (full width: 100%)</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def show_distributions(
    model: nn.Module,
    tokenizer: CharTokenizer,
    next_token_probabilities: NextTokenProbabilities,
    prompt: str,
    settings: Sequence[Setting] = (Setting(0.5), Setting(1.0), Setting(1.5), Setting(1.0, top_p=0.6)),
) -> Figure:
    """A figure with the likeliest tokens under several settings.

    Raises:
        CourseError: as in :func:`prompt_logits` and :func:`token_distribution`.
    """
    logits = prompt_logits(model, tokenizer, prompt)
    found = [token_distribution(next_token_probabilities, logits, tokenizer.characters, each) for each in settings]
    size = (2.9 * len(settings), 4.6)
    figure, axes = plt.subplots(1, len(settings), figsize=size, layout="constrained", sharex=True, squeeze=False)
    for axis, setting, distribution in zip(axes[0], settings, found, strict=True):
        _draw(axis, distribution)
        axis.set_title(setting.words(), fontsize=10)
    axes[0, 0].set_xlabel("probability after the temperature")
    axes[0, -1].legend(
        handles=[Patch(color=_KEPT, label="kept"), Patch(facecolor="w", edgecolor=_CUT, hatch="////", label="cut")],
        loc="lower right",
    )
    end = prompt if len(prompt) <= 40 else "…" + prompt[-40:]
    figure.suptitle(f"What comes after {end!r}?", parse_math=False)
    return figure


def _draw(axis: Axes, distribution: TokenDistribution) -> None:
    shares = distribution.probabilities[:SHOWN].tolist()
    kept = (distribution.drawn_with[:SHOWN] > 0).tolist()
    for place, (share, is_kept) in enumerate(zip(shares, kept, strict=True)):
        look = {"color": _KEPT} if is_kept else {"facecolor": "white", "edgecolor": _CUT, "hatch": "////"}
        axis.barh(place, share, 0.75, **look)
    axis.set(ylim=(len(shares) - 0.4, -0.6))
    axis.set_yticks(range(len(shares)))
    axis.set_yticklabels(distribution.names[:SHOWN], fontsize=8, parse_math=False)
    axis.spines[["top", "right"]].set_visible(False)


def _called(function: NextTokenProbabilities, logits: torch.Tensor, **setting: Any) -> torch.Tensor:
    """(V,), float64, on the CPU."""
    with in_one_line("next_token_probabilities"), torch.no_grad():
        # A copy, because code that changes its input in place must not change the next picture.
        found = function(logits.clone(), **setting)
    if not isinstance(found, torch.Tensor) or found.shape != logits.shape:
        raise CourseError(
            f"next_token_probabilities gave {_described(found)} for logits {tuple(logits.shape)}: it must give (B, V)"
        )
    found = found[0].detach().cpu().double()
    if not found.isfinite().all() or bool((found < 0).any()):
        raise CourseError("next_token_probabilities gave NaN, infinite or negative numbers: return probabilities")
    return found


def _described(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
