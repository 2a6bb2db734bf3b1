"""What all tests share: where the time goes, and the closing list of what was skipped.

So a green run also says what it did not look at, and one that somebody cuts off what it was busy with.
"""

import signal
import sys
import time
from collections import Counter

import pytest
import torch

# What runs in the background may ignore interruptions (a shell's &) and the end of its terminal (nohup), and what is
# started here would inherit that: tests that send these signals would wait for ever.
for number, handler in {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
_SECONDS_BETWEEN_LINES = 300.0
_SLOWEST_FILES = 20


class Times:
    """Seconds of each file's tests, added up while they run; every few minutes a line says how far the run is."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self.reporter = reporter
        self.begun = self.said = time.monotonic()
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid.partition("::")[0]] += report.duration
        if report.failed:
            # The rest of it stands at the end, which a run that is cut off doesn't reach.
            self.reporter.write(f"\n{report.nodeid} failed: {getattr(report.longrepr, 'reprcrash', report.longrepr)}\n")
        now = time.monotonic()
        if now - self.said > _SECONDS_BETWEEN_LINES:
            self.said = now
            slowest = ", ".join(f"{file} {seconds:.0f} s" for file, seconds in self.seconds.most_common(5))
            minutes = (now - self.begun) / 60
            self.reporter.write(f"\nafter {minutes:.0f} minutes, at {report.nodeid}; slowest: {slowest}\n")

    def pytest_terminal_summary(self) -> None:
        self.reporter.section("slowest files")
        for file, seconds in self.seconds.most_common(_SLOWEST_FILES):
            self.reporter.line(f"{seconds:7.1f} s  {file}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    # Processes of a run that only run tests have none.
    if reporter is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(reporter))


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
