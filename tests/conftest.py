"""What all tests share: the closing list of what was skipped, so that a green run also says what it did not look at."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section("skipped tests")
    if not skipped:
        terminalreporter.line("skipped: none")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"skipped: {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
