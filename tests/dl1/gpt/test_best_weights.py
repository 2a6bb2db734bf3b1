"""The weights of the best point: which are taken, how a model gets them, and that it loses nothing by it."""

import pytest
import torch
import torch.nn as nn

from dl1.gpt.best_weights import BestWeights


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
