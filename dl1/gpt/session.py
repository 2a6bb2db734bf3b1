"""Training a language model as a whole: measured, kept, interrupted and resumed."""

from __future__ import annotations

import copy
import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from tqdm.auto import tqdm

from dl1.data.corpus import Corpus
from dl1.errors import CourseError
from dl1.gpt.best_weights import BestWeights
from dl1.gpt.kept_run import LARGEST, larger_run
from dl1.gpt.last_position_loss import logits_after, position_losses, spread_positions
from dl1.gpt.run_facts import run_facts, run_key
from dl1.gpt.runs import RECORD, Run, curve_writer, load_run, save_run
from dl1.gpt.student_module import check_model
from dl1.gpt.tokenizers.char_tokenizer import CharTokenizer
from dl1.gpt.training import PROFILES, Profile, Trainer
from dl1.notebook import runs
from dl1.notebook.devices import choose_device, device_name
from dl1.notebook.interruptions import noted_interruptions
from dl1.notebook.places import write_whole

# The kit's tales have 50,000 characters, Grimms' 520,000. Measured on the tales: without dropout the validation loss of
# the quick profile stops falling at 1.6, with this it falls to 1.5.
_SMALL_TEXT, _SMALL_TEXT_DROPOUT = 200_000, 0.2
EXPERIMENT = "2b_gpt_training"
POSITIONS = 1_024
_CURVE_POINTS = 40
_SHOWN_EVERY = 10
_CHECKPOINT_SECONDS = 30
# Keeping a checkpoint may take one part in so many of the time.
_CHECKPOINT_SHARE = 20
_FEW_STEPS, _FEW_WINDOWS = 3, 4
# How far a loss may be off that is measured again with the same weights: rounding to half precision is far below.
_SAME_LOSS, _TRIAL_POSITIONS = 0.05, 128


def chosen_profile(corpus: Corpus, profile: str | None = None) -> Profile:
    """The profile asked for; else that of DL1_PROFILE; else the full one with a GPU, or the quick one.

    For a small text it has more dropout, because a model soon knows such a text by heart.

    Raises:
        CourseError: there is no such profile.
    """
    chosen = PROFILES[runs.choose_profile(profile, list(PROFILES))]
    return replace(chosen, dropout=_SMALL_TEXT_DROPOUT) if len(corpus.text) < _SMALL_TEXT else chosen


def train_gpt(
    model: nn.Module,
    corpus: Corpus,
    tokenizer: CharTokenizer,
    *,
    folder: Path | None = None,
    profile: str | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Run:
    """Train a language model on a text, or load what was trained before.

    Record, weights and TensorBoard events are in the folder and kept up to date; the optimizer's state is in the user's
    cache. The weights that are kept are those of the point of the curve with the smallest validation loss, not the last
    ones. Interrupt whenever you like: the next call goes on with the next step, in the same order, to the same result.
    While nbgrader validates or grades, nothing is trained: the weights are those that were handed in, and where there
    are none, those of a few steps.

    Args:
        model: from (B, T), int64, to logits (B, T, V), with ``block_size``; trained in place.
        corpus: its last tenth is for validation.
        tokenizer: of the model's vocabulary.
        folder: of the run; ``runs/2b_gpt_training`` beside the notebook, if left out.
        profile: "quick" or "full"; the full one with a GPU, else the quick one, if left out.
        steps, learning_rate: in place of the profile's.
        seed: of the order of the windows and of dropout; the generator of the caller stays as it is.
        device: "cpu", "cuda" or "mps"; a GPU, if there is one and this is left out.

    Returns:
        The run. Its model is the one given, with the weights that are kept, in eval mode; but where a run was handed in
        that has other sizes, a new one with these. Its tokenizer belongs to its model.

    Raises:
        NotImplementedError: a part of the model is not finished; its text names it.
        CourseError: the model doesn't fit the tokenizer, the text is too short, there is no such profile or device,
            the loss isn't finite any more, or a run that was handed in can't be read.
    """
    folder = folder or runs.run_folder(EXPERIMENT)
    if runs.is_rerun() and (folder / RECORD).exists():
        run = load_run(folder)
        run.model = run.model_like(model)
        return run
    name = runs.choose_profile(profile, list(PROFILES))
    changes = {key: value for key, value in [("steps", steps), ("learning_rate", learning_rate)] if value is not None}
    chosen = replace(PROFILES[name], **changes)
    device = choose_device("cpu" if runs.is_rerun() else device)
    training, validation = _token_parts(model, corpus, tokenizer)
    described = ", ".join([name, *(f"{key} {value:g}" for key, value in changes.items())])
    facts = run_facts(model, corpus, tokenizer, described, seed)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        if runs.is_rerun():
            return _few_steps(model, training, validation, chosen, folder, facts)
        asked = profile or changes or os.environ.get(runs.PROFILE_VARIABLE)
        kept = None if asked or name == LARGEST else larger_run(model, validation, folder, corpus)
        if kept is not None:
            return kept
        trainer = Trainer(model, training, chosen, seed=seed, device=device)
        return _Session(trainer, validation, folder, facts).run()


def _token_parts(model: nn.Module, corpus: Corpus, tokenizer: CharTokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Training and validation text as tokens; what doesn't fit together is said here, before anything else is done."""
    check_model(model, tokenizer)
    training, validation = (tokenizer.encode(text) for text in corpus.split())
    spread_positions(len(validation), model.block_size, 1)
    return training, validation


class _Session:
    """One call of :func:`train_gpt`: a trainer with its curve, its checkpoint and its folder."""

    def __init__(self, trainer: Trainer, validation: torch.Tensor, folder: Path, facts: dict[str, Any]) -> None:
        self.trainer, self.folder, self.facts = trainer, folder, facts
        self.validation = validation.to(trainer.device)
        self.key = run_key(trainer, facts)
        self.checkpoint = runs.cache_folder("checkpoints") / f"{EXPERIMENT}-{self.key}.pt"
        self.curve: dict[str, list[float]] = {"step": [], "training loss": [], "validation loss": []}
        # Of the losses since the last point of the curve.
        self.sum, self.summed = torch.zeros((), device=trainer.device), 0
        self.wall_seconds = self.step_seconds = 0.0
        self.attention, self.keeps = "", False
        self.best, self.measured = BestWeights(), (-1, torch.empty(0))

    def run(self) -> Run:
        trainer, older = self.trainer, self._older_run()
        if older is not None and older.key == self.key and older.is_finished and self._is_still_true(older):
            print(f"trained before, {older.steps:,} steps on {older.corpus}: loaded from {self.folder}")
            return older
        self.attention = trainer.attention()
        print(
            f"{self.facts['profile']} profile on {self.facts['corpus']}: {trainer.steps:,} steps of "
            f"{trainer.tokens_per_step:,} tokens on {device_name(trainer.device)}, {trainer.dtype_name}, "
            f"{'compiled, ' if trainer.compiled else ''}attention: {self.attention}"
        )
        if self._resumed():
            print(f"going on after step {trainer.done:,}")
        # A finished run of another kind gives way to a finished one only.
        self.keeps = older is None or older.key == self.key or not older.is_finished
        if not self.keeps:
            print(f"{self.folder} holds another finished run{older.note}: it is replaced once this one is finished")
        with curve_writer(self.folder if self.keeps else None, self.curve) as write, noted_interruptions() as asked:
            self._train(write, asked)
        run = self._kept()
        self.best.put_into(trainer.model)
        if run.is_finished:
            self.checkpoint.unlink(missing_ok=True)
            with curve_writer(self.folder, self.curve):
                pass
        else:
            print(f"stopped after step {run.steps:,} of {run.steps_planned:,}: run this again to go on")
        return run

    def _train(self, write: Callable[[], None], asked: list[int]) -> None:
        trainer, every = self.trainer, max(5, self.trainer.steps // _CURVE_POINTS)
        earlier, earlier_steps, first = self.wall_seconds, self.step_seconds, trainer.done
        started = lap = time.perf_counter()
        due = started + _CHECKPOINT_SECONDS
        # Where nobody looks at a terminal, as in a cluster's log, a line now and then is enough.
        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        with tqdm(total=trainer.steps, initial=first, unit="step", mininterval=0.2 if watched else 30) as bar:
            while trainer.done < trainer.steps and not asked:
                loss = trainer.step()
                self.sum += loss
                self.summed += 1
                bar.update()
                if trainer.done % _SHOWN_EVERY == 0:
                    trainer.check_finite(loss.item())
                    seconds = self.step_seconds - earlier_steps + time.perf_counter() - lap
                    speed = (trainer.done - first) * trainer.tokens_per_step / seconds
                    bar.set_postfix_str(f"loss {loss.item():.3f}, {speed:,.0f} tokens/s", refresh=False)
                is_point = trainer.done % every == 0 or trainer.done == trainer.steps
                if is_point or time.perf_counter() > due:
                    # A GPU works on while the clock is read, unless its result is asked for.
                    trainer.check_finite(loss.item())
                    self.step_seconds += time.perf_counter() - lap
                    if is_point:
                        self._add_point()
                        write()
                    if time.perf_counter() > due and trainer.done < trainer.steps:
                        begun = time.perf_counter()
                        self.wall_seconds = earlier + begun - started
                        self._keep_checkpoint()
                        now = time.perf_counter()
                        due = now + max(_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE * (now - begun))
                    lap = time.perf_counter()
            self.step_seconds += time.perf_counter() - lap
        self.wall_seconds = earlier + time.perf_counter() - started
        if trainer.done < trainer.steps:
            self._keep_checkpoint()

    def _add_point(self, windows: int | None = None) -> None:
        validation = self.trainer.validation_loss(self.validation, *([windows] if windows else []))
        for name, value in zip(
            self.curve, (self.trainer.done, self.sum.item() / max(1, self.summed), validation), strict=True
        ):
            self.curve[name].append(value)
        self.best.offer(self.trainer.done, validation, self.trainer.model)
        self.sum, self.summed = torch.zeros_like(self.sum), 0

    def _kept(self, positions: int = POSITIONS) -> Run:
        """The run as it is now, also in its folder: the best weights, and the losses that these have."""
        trainer, step = self.trainer, self.best.step or self.trainer.done
        with self.best.in_place(trainer.model):
            if self.measured[0] != step:
                self.measured = step, _losses(trainer.model, self.validation, positions)
            run = self._record(step, self.measured[1])
            if self.keeps or (run.is_finished and self.key):
                save_run(self.folder, run, trainer.model)
        return run

    def _record(self, step: int, losses: torch.Tensor) -> Run:
        trainer, points = self.trainer, dict(zip(self.curve["step"], self.curve["training loss"], strict=True))
        return Run(
            **self.facts,
            batch_size=trainer.profile.batch_size,
            learning_rate=trainer.profile.learning_rate,
            key=self.key,
            device=device_name(trainer.device),
            dtype=trainer.dtype_name,
            attention=self.attention,
            compiled=trainer.compiled,
            torch=torch.__version__,
            steps=trainer.done,
            steps_planned=trainer.steps,
            kept_step=step,
            tokens_seen=trainer.done * trainer.tokens_per_step,
            tokens_per_second=round(trainer.done * trainer.tokens_per_step / max(self.step_seconds, 1e-9), 1),
            wall_seconds=round(self.wall_seconds, 1),
            curve=self.curve,
            training_loss=points.get(step, self.sum.item() / max(1, self.summed)),
            validation_loss=losses.mean().item(),
            validation_error=losses.std().item() / len(losses) ** 0.5,
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            model=trainer.model.eval(),
        )

    def _older_run(self) -> Run | None:
        try:
            return load_run(self.folder) if (self.folder / RECORD).exists() else None
        except CourseError as error:
            print(f"an older run is not used, and will be replaced: {error}")
            return None

    def _is_still_true(self, run: Run) -> bool:
        """Whether the model, given the run's weights, has the run's loss; if its code has changed, it doesn't."""
        model = self.trainer.model
        before = copy.deepcopy(model.state_dict())
        run.put_into(model)
        run.model = model.eval()
        if abs(_losses(model, self.validation, POSITIONS).mean().item() - run.validation_loss) < _SAME_LOSS:
            return True
        print("the weights trained before have another loss now: the model's code has changed, so it is trained anew")
        model.load_state_dict(before)
        return False

    def _resumed(self) -> bool:
        if not self.checkpoint.is_file():
            return False
        before = copy.deepcopy(self.trainer.state())
        try:
            state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
            if "best" not in state:
                raise ValueError("an older version of the course's package wrote it")
            self.trainer.resume(state["trainer"])
            self.best.resume(state["best"])
            loss = _losses(self.trainer.model, self.validation, _TRIAL_POSITIONS).mean().item()
            if not abs(loss - state["loss"]) < _SAME_LOSS:
                raise ValueError("the model's code has changed since")
            self.sum, self.summed = state["sum"].to(self.trainer.device), state["summed"]
            self.wall_seconds, self.step_seconds = state["wall_seconds"], state["step_seconds"]
            self.curve = state["curve"]
        # Whatever a damaged file makes torch raise: training simply begins anew.
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            print(f"the checkpoint {self.checkpoint.name} can't be used ({reason}): training begins anew")
            self.trainer.resume(before)
            self.best = BestWeights()
            return False
        return True

    def _keep_checkpoint(self) -> None:
        loss = _losses(self.trainer.model, self.validation, _TRIAL_POSITIONS).mean().item()
        names = ("sum", "summed", "wall_seconds", "step_seconds", "curve")
        state = {name: getattr(self, name) for name in names}
        buffer = io.BytesIO()
        torch.save({**state, "trainer": self.trainer.state(), "best": self.best.state(), "loss": loss}, buffer)
        write_whole(self.checkpoint, buffer.getvalue())
        self._kept()


def _few_steps(
    model: nn.Module,
    training: torch.Tensor,
    validation: torch.Tensor,
    profile: Profile,
    folder: Path,
    facts: dict[str, Any],
) -> Run:
    """What stands in for a run that was not handed in; nothing is written."""
    print(f"no run was handed in; {_FEW_STEPS} steps are trained, on {_FEW_WINDOWS} windows each.")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trainer = Trainer(model, training, replace(profile, batch_size=_FEW_WINDOWS), steps=_FEW_STEPS)
        session = _Session(trainer, validation, folder, {**facts, "profile": "a few steps"})
        session.key = ""
        for _ in range(_FEW_STEPS):
            session.sum += trainer.step()
            session.summed += 1
            session._add_point(_FEW_WINDOWS)
        run = session._kept(_FEW_WINDOWS)
        session.best.put_into(model)
        return run
    finally:
        torch.set_num_threads(threads)


def _losses(model: nn.Module, validation: torch.Tensor, count: int) -> torch.Tensor:
    positions = spread_positions(len(validation), model.block_size, count)
    return position_losses(logits_after(model.eval()), validation, positions, model.block_size)
