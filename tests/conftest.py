"""What all tests share: the closing list of what was skipped, so that a green run also says what it did not look at."""

import signal
import sys

import pytest
import torch

# A shell starts what runs in the background with interruptions ignored, and what is started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section("skipped tests")
    if not skipped:
        terminalreporter.line("skipped: none")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"skipped: {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes may differ each time that they are made (by a time in them, say); processes of a run compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 20 else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end the processes of a run then wait for each other for seconds only."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def one_thread():
    """Small networks compute faster in one thread, and much faster on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_figure_left():
    """Some tests count the open figures, and others leave theirs."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
