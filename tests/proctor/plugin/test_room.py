import errno
from pathlib import Path

import pytest

from proctor.errors import ProctorError
from proctor.plugin import room


def test_room_is_enough_or_said_with_the_folder(tmp_path):
    room.check([tmp_path], 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProctorError) as refused:
        room.check([tmp_path], 2**60)
    assert f"{tmp_path}: only " in str(refused.value)
    assert f"make room there (df -h {tmp_path})" in str(refused.value)


def test_a_folder_that_is_gone_is_said(tmp_path):
    with pytest.raises(ProctorError, match=f"{tmp_path}/gone: No such file or directory; correct that"):
        room.check([tmp_path / "gone"])


@pytest.mark.parametrize(
    ("number", "of_machine", "said"),
    [
        (errno.ENOSPC, True, "/place: no room is left on this disk; make room (df -h /place)"),
        (errno.EDQUOT, True, "no room is left on this disk within your quota"),
        (errno.EROFS, True, "this disk can only be read"),
        (errno.EIO, True, "correct that, then run this command again"),
        (errno.EACCES, False, "you can't write there; correct its rights"),
        (errno.ENOENT, False, "correct that, then run this command again"),
    ],
)
def test_what_errors_mean(number, of_machine, said):
    error = OSError(number, "words of the system", "/place/file")
    assert room.of_machine(error) == of_machine
    assert said in room.said(error)
    assert room.said(OSError(number, "words of the system"), Path("/other")).startswith("/other: ")


def test_an_error_that_names_no_file_is_no_accident_of_its_own():
    assert "or the course's folder: no room" in room.said(OSError(errno.ENOSPC, "full"))
    assert not room.of_machine(ValueError("x"))
