"""What is written down of a submission that was graded to its end."""

import pytest

from proctor.plugin.finished import Finished


@pytest.fixture
def done(tmp_path) -> Finished:
    (tmp_path / "proctor_records").mkdir()
    return Finished(tmp_path, "hw", "ada")


def test_what_was_not_found_is_known_at_the_next_run(done):
    assert done.not_found() == ({}, [])
    done.write("00", [], {"engine": "1"}, ({"1a": "not handed in"}, ["all.rar"]))
    assert done.not_found() == ({"1a": "not handed in"}, ["all.rar"])
    assert (done.state(), done.differences(), done.made_with()) == ("00", [], {"engine": "1"})


@pytest.mark.parametrize("text", ['{"state": "00", "differences": []}', "[]", '{"lost": 1}', "{"])
def test_an_older_or_damaged_file_says_nothing_of_it(done, text):
    done.write("00", [])
    next(done.folder.iterdir()).write_text(text)
    assert done.not_found() == ({}, [])
