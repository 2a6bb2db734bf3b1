"""An interruption waits for the end of a step; the second one doesn't."""

import signal
import threading

import pytest

from dl1.notebook.interruptions import noted_interruptions


def test_one_is_noted_and_the_next_raised():
    before = signal.getsignal(signal.SIGINT)
    with noted_interruptions() as asked:
        assert not asked
        signal.raise_signal(signal.SIGINT)
        assert asked == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_afterwards_all_is_as_before():
    with pytest.raises(KeyError), noted_interruptions():
        raise KeyError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_thread_is_left_alone():
    results = []

    def work():
        with noted_interruptions() as asked:
            results.append(asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [[]]
