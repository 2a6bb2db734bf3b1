import hashlib
import random

import numpy as np
import pytest
import torch

from dl1.data.synthetic_citations import CITATIONS, PAPERS, WORDS, make_citations

N = sum(PAPERS)


@pytest.fixture(scope="module")
def made():
    return make_citations()


def degrees(made):
    return np.bincount(made.edge_index[0], minlength=N)


def homophily(made):
    """Share of the edges that join papers of one topic."""
    source, target = made.edge_index
    return (made.topic[source] == made.topic[target]).mean()


def test_it_has_coras_shape(made):
    assert made.words.shape == (N, WORDS) == (2708, 1433)
    assert made.words.dtype == bool
    assert made.topic.dtype == made.edge_index.dtype == np.int64
    assert made.edge_index.shape == (2, 2 * CITATIONS) == (2, 10_556)
    assert np.bincount(made.topic).tolist() == list(PAPERS)


def test_each_citation_is_there_once_in_both_directions(made):
    source, target = made.edge_index
    assert made.edge_index.min() == 0
    assert made.edge_index.max() == N - 1
    assert (source != target).all()
    edges = set(zip(source.tolist(), target.tolist(), strict=True))
    assert len(edges) == 2 * CITATIONS
    assert {(j, i) for i, j in edges} == edges


def test_edges_are_sorted_by_target_then_source(made):
    source, target = made.edge_index
    assert (np.diff(target * N + source) > 0).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_citations_are_spread_as_coras(seed):
    made = make_citations(seed)
    # Cora's homophily is 0.810. The standard error of 5,278 draws is 0.005; that hubs share a topic adds to it.
    assert 0.79 < homophily(made) < 0.83
    # Cora's degrees: at least 1, median 3, a hundredth above 19, the largest 168. Were edges drawn evenly, no paper of
    # 2,708 would have above 20: the chance is below 1e-5 with a mean of 3.9.
    assert degrees(made).min() >= 1
    assert np.median(degrees(made)) == 3
    assert degrees(made).max() > 60
    assert 14 < np.quantile(degrees(made), 0.99) < 28


def test_papers_say_as_much_as_coras(made):
    lengths, frequencies = made.words.sum(axis=1), made.words.sum(axis=0)
    # Cora's papers have 18.17 words, 1 to 30; half of its words occur in at most 15 papers, the commonest in 1,083.
    assert 17.5 < lengths.mean() < 19
    assert lengths.min() >= 1
    assert lengths.max() <= 36
    assert 12 < np.median(frequencies) < 20
    assert frequencies.max() > 500


def test_the_split_is_coras(made):
    assert (made.training.sum(), made.validation.sum(), made.test.sum()) == (140, 500, 1000)
    assert (made.training.astype(int) + made.validation + made.test).max() == 1
    assert np.bincount(made.topic[made.training]).tolist() == [20] * 7
    # As common among what is tested as among all: within 5 standard errors of 1,000 draws.
    share = np.array(PAPERS) / N
    errors = 5 * np.sqrt(share * (1 - share) / 1000)
    assert (np.abs(np.bincount(made.topic[made.test]) / 1000 - share) < errors).all()


def test_neither_words_nor_citations_alone_give_the_topic_away(made):
    """Nearest mean of the training papers, by a paper's own words, and by those of what is two citations away, too.

    51 % and 77 % when this was written; the most common topic alone makes 32 %. The bits are always the same, so the
    numbers can move only with the recipe.
    """
    words = made.words / made.words.sum(axis=1, keepdims=True)
    source, target = made.edge_index
    smooth = words
    for _ in range(2):
        total = smooth.copy()
        np.add.at(total, target, smooth[source])
        smooth = total / (degrees(made) + 1)[:, None]

    def accuracy(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        means = np.stack([x[made.training & (made.topic == topic)].mean(axis=0) for topic in range(7)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return ((x @ means.T).argmax(axis=1) == made.topic)[made.test].mean()

    assert 0.45 < accuracy(words) < 0.6
    assert 0.7 < accuracy(smooth) < 0.85


def test_the_bits_are_the_same_on_every_machine(made):
    assert (
        hashlib.sha256(np.packbits(made.words).tobytes()).hexdigest()
        == "214fd44f5081fc888b66bd37f490b6dd6787ccf6d463ef9e827d587804f12eff"
    )
    assert (
        hashlib.sha256(made.edge_index.astype("<i8").tobytes()).hexdigest()
        == "93335579e880b78a6c086df66057058b835982c2779d8b2dc2a8a6feca247856"
    )


def test_another_seed_makes_another_network(made):
    other = make_citations(1)
    assert not np.array_equal(made.edge_index, other.edge_index)
    assert not np.array_equal(made.words, other.words)


def test_no_global_random_state_is_touched():
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    make_citations()
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
