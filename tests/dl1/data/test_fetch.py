"""What the tests of the download command can't see of its fetching: those have a server, here there is none."""

import io
import urllib.error
import urllib.request

import pytest

from dl1.data.fetch import AGAIN, fetch
from dl1.errors import CourseError

CONTENT = b"abc" * 1000


class Response(io.BytesIO):
    status, headers = 200, {}


@pytest.fixture
def asked(monkeypatch):
    """Addresses that were asked for, with the range; every address answers with CONTENT, whole."""
    asked = []

    def urlopen(request, timeout):
        asked.append((request.full_url, request.get_header("Range")))
        return Response(CONTENT)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def is_whole(path):
    return path.read_bytes() == CONTENT


def test_a_whole_file_is_not_asked_for(asked, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT)
    fetch(["https://data.example/a"], tmp_path / "part", is_whole)
    assert asked == []


def test_the_first_address_is_enough(asked, tmp_path):
    fetch(["https://data.example/a", "https://data.example/b"], tmp_path / "part", is_whole)
    assert asked == [("https://data.example/a", None)]
    assert is_whole(tmp_path / "part")


@pytest.mark.parametrize(("resume", "expected"), [(True, "bytes=3-"), (False, None)])
def test_what_is_there_is_continued_unless_editions_may_differ(resume, expected, asked, tmp_path):
    (tmp_path / "part").write_bytes(b"abc")
    fetch(["https://data.example/a"], tmp_path / "part", is_whole, resume=resume)
    assert asked == [("https://data.example/a", expected)]
    assert is_whole(tmp_path / "part")


def test_every_address_is_told_that_failed(asked, tmp_path):
    with pytest.raises(CourseError) as caught:
        fetch(["https://data.example/a", "no address"], tmp_path / "part", lambda path: False)
    message = str(caught.value)
    assert "what https://data.example/a sent is damaged and was deleted" in message
    assert "no address: unknown url type" in message
    assert f"{AGAIN.capitalize()} to go on, or use --mirror or --from" in message
    assert not (tmp_path / "part").exists()
