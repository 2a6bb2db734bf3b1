"""The system's Chromium for the tests in this folder, and why there is none."""

import os

import pytest

from tests.e2e.lab_window import CHROMIUM, window


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    with playwright.sync_playwright() as started:
        # As root Chromium runs without its own sandbox only; these pages are ours.
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield made
        made.close()


@pytest.fixture(scope="module")
def page(browser, address):
    """A window of the JupyterLab that the tests of a file have at `address`."""
    made = window(browser, address)
    yield made
    made.close()
