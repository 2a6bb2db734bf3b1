"""The weights of the best point: which are taken, and that a training keeps them, whenever it ends."""

from pathlib import Path

import pytest
import torch
import torch.nn as nn

from dl1.gpt import session as gpt_session
from dl1.gpt.best_weights import BestWeights
from dl1.gpt.last_position_loss import last_position_loss, logits_after, spread_positions
from dl1.gpt.runs import load_run
from dl1.gpt.session import train_gpt
from dl1.gpt.training import Trainer
from tests.dl1.gpt.small_training import CORPUS, FOLDER, TOKENIZER, Small, model

pytestmark = pytest.mark.usefixtures("one_thread", "own_folder")


def layer(value: float) -> nn.Linear:
    made = nn.Linear(2, 1)
    for weight in made.parameters():
        nn.init.constant_(weight, value)
    return made


def test_the_first_of_the_smallest_losses_is_taken():
    best = BestWeights()
    for step, loss in enumerate([3.0, 1.0, 2.0, 1.0], start=1):
        best.offer(step, loss, layer(step))
    assert (best.step, best.loss) == (2, 1.0)
    model = layer(9.0)
    best.put_into(model)
    assert model.weight.tolist() == [[2.0, 2.0]]


def test_what_is_taken_does_not_follow_the_model():
    model, best = layer(1.0).half(), BestWeights()
    best.offer(1, 1.0, model)
    model.weight.data += 5
    best.put_into(model)
    assert model.weight.tolist() == [[1.0, 1.0]]


def test_in_place_for_a_block_only():
    best, model = BestWeights(), layer(1 / 3)
    best.offer(1, 1.0, model)
    nn.init.constant_(model.weight, 0.7)
    before = model.weight.detach().clone()

    def stopped():
        # As they are kept, in half precision.
        assert model.weight[0, 0].item() == torch.tensor(1 / 3).half().item()
        raise KeyError

    with pytest.raises(KeyError), best.in_place(model):
        stopped()
    assert torch.equal(model.weight, before)


def test_without_a_point_the_model_stays_as_it_is():
    best, model = BestWeights(), layer(0.1)
    with best.in_place(model):
        assert model.weight[0, 0].item() == torch.tensor(0.1).item()
    best.put_into(model)
    assert model.weight[0, 0].item() == torch.tensor(0.1).item()
    assert best.step == 0


def test_a_state_goes_on_where_it_was():
    best, resumed = BestWeights(), BestWeights()
    best.offer(4, 1.5, layer(4.0))
    resumed.resume(best.state())
    resumed.offer(5, 1.6, layer(5.0))
    model = layer(0.0)
    resumed.put_into(model)
    assert (resumed.step, model.bias.item()) == (4, 4.0)
    resumed.offer(6, 1.4, layer(6.0))
    assert (resumed.step, best.step) == (6, 4)


@pytest.fixture
def worse_after_20(monkeypatch):
    """The weights after each step, of a training whose validation loss grows from step 20 on."""
    weights, whole = {}, Trainer.step

    def noted(self):
        loss = whole(self)
        weights[self.done] = {name: weight.clone() for name, weight in self.model.state_dict().items()}
        return loss

    monkeypatch.setattr(Trainer, "step", noted)
    monkeypatch.setattr(Trainer, "validation_loss", lambda self, tokens, windows=128: 1.0 + abs(self.done - 20))
    return weights


def holds(run, folder, weights) -> bool:
    """Whether model, file and claimed loss of a run are those of some weights."""
    half = {name: weight.half() for name, weight in weights.items()}
    kept = load_run(folder)
    trial = Small()
    trial.load_state_dict({name: weight.float() for name, weight in half.items()})
    tokens = TOKENIZER.encode(CORPUS.split()[1])
    positions = spread_positions(len(tokens), 8, gpt_session.POSITIONS)
    loss = last_position_loss(logits_after(trial.eval()), tokens, positions, 8)
    return (
        all(torch.equal(kept.weights[name], weight) for name, weight in half.items())
        and all(torch.equal(weight, half[name].float()) for name, weight in run.model.state_dict().items())
        and kept.validation_loss == run.validation_loss == pytest.approx(loss, abs=1e-6)
    )


def test_the_weights_of_the_best_point_are_kept(worse_after_20, capsys):
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert (run.kept_step, run.steps, run.is_finished) == (20, 40, True)
    assert holds(run, FOLDER, worse_after_20[20])
    assert not holds(run, FOLDER, worse_after_20[40])
    assert run.training_loss == run.curve["training loss"][3]
    assert load_run(FOLDER).kept_step == 20
    # And they are what a later call finds, and finds true.
    again = train_gpt(model(), CORPUS, TOKENIZER)
    assert "trained before, 40 steps on Grimm" in capsys.readouterr().out
    assert (again.kept_step, holds(again, FOLDER, worse_after_20[20])) == (20, True)


@pytest.mark.parametrize("at", [(26,), (12, 33)])
def test_an_interrupted_training_hands_in_the_best_and_goes_on_from_the_last(worse_after_20, steps_done, at):
    whole = train_gpt(model(), CORPUS, TOKENIZER, folder=Path("whole"))
    last = worse_after_20[40]
    steps_done.clear()
    for number in at:
        steps_done.at = (number,)
        partial = train_gpt(model(), CORPUS, TOKENIZER)
        best = min(20, number // 5 * 5)
        assert (partial.steps, partial.kept_step) == (number + 1, best)
        assert holds(partial, FOLDER, worse_after_20[best])
    steps_done.at = ()
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert steps_done == list(range(40))
    assert (run.kept_step, run.validation_loss, run.curve) == (20, whole.validation_loss, whole.curve)
    assert holds(run, FOLDER, worse_after_20[20])
    # The training itself never had them in place of its own.
    assert all(torch.equal(weight, last[name]) for name, weight in worse_after_20[40].items())


def test_a_killed_training_has_left_its_best_weights(worse_after_20, monkeypatch):
    monkeypatch.setattr(gpt_session, "_CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(gpt_session, "_CHECKPOINT_SHARE", 0)
    inner = Trainer.step

    def killed(self):
        if self.done == 33:
            raise SystemExit
        return inner(self)

    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(SystemExit):
        train_gpt(model(), CORPUS, TOKENIZER)
    interim = load_run(FOLDER)
    assert (interim.steps, interim.kept_step) == (33, 20)
    interim.model = interim.model_like(Small())
    assert holds(interim, FOLDER, worse_after_20[20])


def test_before_the_first_point_the_weights_are_the_last(worse_after_20, steps_done):
    steps_done.at = (2,)
    run = train_gpt(model(), CORPUS, TOKENIZER)
    assert (run.steps, run.kept_step, run.curve["step"]) == (3, 3, [])
    assert load_run(FOLDER).kept_step == 3


def test_a_checkpoint_from_before_the_best_weights_were_kept(steps_done, capsys):
    steps_done.at = (9,)
    train_gpt(model(), CORPUS, TOKENIZER)
    steps_done.at = ()
    steps_done.clear()
    (checkpoint,) = Path("cache/checkpoints").iterdir()
    state = torch.load(checkpoint, weights_only=True)
    del state["best"]
    torch.save(state, checkpoint)
    assert train_gpt(model(), CORPUS, TOKENIZER).is_finished
    assert len(steps_done) == 40
    assert "can't be used (an older version of the course's package wrote it)" in capsys.readouterr().out
