"""Processes that are to be ended while they start others."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from proctor.running.processes import any_stopped, end_newer, identities, youngest
from proctor.sandbox.ended import has_ended

BOMB = (
    "import os, time\nprint('ready', flush=True)\nend = time.monotonic() + 120\nwhile time.monotonic() < end:\n"
    "    if os.fork() == 0:\n        pass\n    time.sleep(0.3)"
)


@pytest.fixture
def started():
    """Starts programs that say when they are ready; ends what is left of them."""
    made = []

    def start(program):
        made.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True))
        made[-1].stdout.readline()
        return psutil.Process(made[-1].pid)

    yield start
    for one in made:
        for child in [*psutil.Process(one.pid).children(recursive=True)] if psutil.pid_exists(one.pid) else []:
            child.kill()
        one.kill()
        one.wait()
        one.stdout.close()


class StandIn:
    """A process that takes every signal, and does what its `state` says."""

    def __init__(self, pid, state=psutil.STATUS_STOPPED):
        self.pid, self.state = pid, state

    def create_time(self):
        return 1.0

    def send_signal(self, number):
        pass

    def status(self):
        return self.state


def living(processes):
    return [one for one in processes if not has_ended(one)]


def test_all_but_the_known_are_ended_also_while_they_start_others(started):
    kept, bomb = started("print('ready', flush=True)\nimport time\ntime.sleep(120)"), started(BOMB)

    def processes():
        own = psutil.Process().children()
        return [one for parent in own for one in (parent, *parent.children(recursive=True))]

    assert end_newer(processes, set(identities([kept])))
    for _ in range(300):
        if not living([one for one in processes() if one != kept]):
            break
        time.sleep(0.1)
    assert living(processes()) == [kept]
    assert bomb not in living(processes())


def test_what_can_not_be_ended_is_said():
    # Another new process at every look.
    numbers = iter(range(1000))
    assert not end_newer(lambda: [StandIn(next(numbers))], set())


def test_what_a_process_starts_before_it_stops_is_ended():
    # The signal takes effect only later: until then it starts another one.
    class Slow(StandIn):
        def __init__(self, pid):
            super().__init__(pid)
            self.looks, self.signals = 0, []

        def send_signal(self, number):
            self.signals.append(number)

        def status(self):
            self.looks += 1
            if self.looks == 3 and self.pid < 3:
                living.append(Slow(self.pid + 1))
            return psutil.STATUS_STOPPED if self.looks >= 3 else psutil.STATUS_RUNNING

    living = [Slow(1)]
    assert end_newer(lambda: list(living), set())
    assert [one.signals for one in living] == 3 * [[signal.SIGSTOP, signal.SIGKILL]]


def test_one_that_does_not_stop_is_not_waited_for_without_end():
    assert end_newer(lambda: [StandIn(1, psutil.STATUS_RUNNING)], set())


def test_a_stopped_process_is_seen(started):
    one = started("print('ready', flush=True)\nimport time\ntime.sleep(120)")
    assert not any_stopped([one])
    one.suspend()
    for _ in range(300):
        if any_stopped([one]):
            break
        time.sleep(0.1)
    assert any_stopped([one])


def test_the_youngest_is_the_last_that_has_started_none(started):
    one = started("import os, time\nos.fork() or (time.sleep(0.1), print('ready', flush=True))\ntime.sleep(120)")
    tree = [one, *one.children(recursive=True)]
    assert len(tree) == 2
    assert youngest(tree) == tree[1]
    assert youngest([]) is None
