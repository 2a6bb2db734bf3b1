"""A small course that was graded, for tests of what is done with the points."""

import pytest
from graded_course import copied, made_once
from nbgrader.server_extensions.formgrader import handlers


@pytest.fixture(autouse=True)
def _what_the_formgrader_answers(monkeypatch):
    """Pages that a test adds to nbgrader's list, which is the whole process's, are gone with the test."""
    nbgraders = [entry for entry in handlers.default_handlers if not entry[1].__module__.startswith("proctor.")]
    monkeypatch.setattr(handlers, "default_handlers", nbgraders)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Made once for the tests of a file, which leave it as it is."""
    return made_once(tmp_path_factory.mktemp("graded"))


@pytest.fixture
def graded(once, tmp_path):
    """A copy for one test."""
    return copied(once, tmp_path)
