"""Computing time of processes that nobody waits for, on a clock that is turned by hand."""

import random

import pytest

from proctor.sandbox.computing import ComputingTime

BETWEEN = 0.25


class Clock:
    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


class Process:
    """Computes on one processor from its birth on."""

    def __init__(self, pid, clock, children=0.0):
        self.pid, self.clock, self.born, self.children = pid, clock, clock(), children
        self.idle = self.waits = False

    @property
    def key(self):
        return self.pid, self.born

    @property
    def own(self):
        return 0.0 if self.idle or self.waits else self.clock() - self.born

    @property
    def of_children(self):
        return self.children

    @property
    def runs(self):
        return not self.idle


@pytest.fixture
def clock():
    return Clock()


def meter(clock, cores=2):
    return ComputingTime(clock=clock, now=clock, cores=cores)


def test_what_lives_is_counted_with_what_it_has_waited_for(clock):
    one, total = Process(1, clock, children=7.0), meter(clock)
    clock.time += 3
    assert total.look([one]) == pytest.approx(10.0)


def test_a_process_that_is_gone_without_an_account_stays_counted(clock):
    parent, total = Process(1, clock), meter(clock)
    parent.idle = True
    child = Process(2, clock)
    for _ in range(40):
        clock.time += BETWEEN
        before = total.look([parent, child])
    assert before == pytest.approx(10.0)
    clock.time += BETWEEN
    # Half a look more, since it was computing when it was last seen.
    assert total.look([parent]) == pytest.approx(10.0 + BETWEEN / 2)
    # Not twice.
    assert total.look([parent]) == pytest.approx(10.0 + BETWEEN / 2)


def test_a_process_that_was_waited_for_is_counted_once(clock):
    parent, child, total = Process(1, clock), Process(2, clock), meter(clock)
    parent.idle = True
    for _ in range(40):
        clock.time += BETWEEN
        total.look([parent, child])
    parent.children = 10.0
    assert total.look([parent]) <= 10.0 + BETWEEN / 2


@pytest.mark.parametrize("life", [0.01, 0.05, 0.2, 0.25, 0.3, 0.45, 0.7])
def test_short_lives_one_after_the_other_are_found_by_samples(clock, life):
    # One processor is busy all the time, by processes of which hardly one is seen twice. Nobody knows when looks come.
    drawn = random.Random(life)
    parent, total = Process(1, clock), meter(clock)
    parent.idle = True
    pid, child, seen, look_at, ends = 2, Process(2, clock), 0.0, clock() + BETWEEN, clock() + life
    while clock() < 400.0:
        if ends < look_at:
            clock.time = ends
            pid, ends = pid + 1, ends + life
            child = Process(pid, clock)
        else:
            clock.time = look_at
            seen = total.look([parent, child])
            look_at += BETWEEN * drawn.uniform(0.9, 1.1)
    # 300 seconds were computed; 1,200 looks leave a few per cent of chance, and the estimate may be an eighth too high.
    assert 270 < seen < 360


def test_processes_that_only_wait_for_a_processor_are_not_counted_as_computing(clock):
    total = meter(clock, cores=2)
    total.look([])
    clock.time += BETWEEN - 0.01
    crowd = [Process(pid, clock) for pid in range(2, 52)]
    for one in crowd:
        one.waits = True
    clock.time += 0.01
    total.look(crowd)
    clock.time += BETWEEN
    assert total.look([]) == pytest.approx(2 * BETWEEN)


def test_it_never_goes_down(clock):
    one, total = Process(1, clock, children=5.0), meter(clock)
    clock.time += 1
    before = total.look([one])
    assert total.look([]) >= before
