"""A small course that was graded, for tests of what is done with the points."""

import pytest
from graded_course import copied, made_once


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Made once for the tests of a file, which leave it as it is."""
    return made_once(tmp_path_factory.mktemp("graded"))


@pytest.fixture
def graded(once, tmp_path):
    """A copy for one test."""
    return copied(once, tmp_path)
