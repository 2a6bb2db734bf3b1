import os
import stat

import pytest

from proctor.staff_files import file_mode, is_shared, make_folder, make_top, share, staff_only


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_are_for_their_owner_unless_the_top_is_shared(tmp_path, umask):
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "records" / "ps1" / "ada", tmp_path / "records")
        make_top(tmp_path / "shared", True)
        make_folder(tmp_path / "shared" / "ps1" / "ada", tmp_path / "shared")
    finally:
        os.umask(before)
    for place in ("records", "records/ps1", "records/ps1/ada"):
        assert mode(tmp_path / place) == 0o700
        assert file_mode(tmp_path / place) == 0o600
    for place in ("shared", "shared/ps1", "shared/ps1/ada"):
        assert mode(tmp_path / place) == 0o2770
        assert file_mode(tmp_path / place) == 0o660
        assert (tmp_path / place).stat().st_gid == tmp_path.stat().st_gid


def test_a_shared_course_does_not_open_what_is_made_without_saying_so(tmp_path):
    tmp_path.chmod(0o2775)
    make_folder(tmp_path / "records", tmp_path / "records")
    assert mode(tmp_path / "records") & 0o077 == 0
    assert not is_shared(tmp_path / "records")


def test_the_top_is_corrected_in_both_directions(tmp_path):
    for shared, wanted in [(False, 0o700), (True, 0o2770), (True, 0o2770), (False, 0o700)]:
        make_top(tmp_path / "records", shared)
        assert mode(tmp_path / "records") & 0o777 == wanted & 0o777


def test_what_is_given_to_the_group_is_so_to_the_bottom_and_links_stay(tmp_path):
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").chmod(0o600)
    inner = tmp_path / "top" / "inner"
    inner.mkdir(parents=True, mode=0o700)
    (inner / "file").write_text("x")
    (inner / "link").symlink_to(tmp_path / "outside")
    share(tmp_path / "top")
    assert (mode(tmp_path / "top"), mode(inner), mode(inner / "file")) == (0o2770, 0o2770, 0o660)
    assert mode(tmp_path / "outside") == 0o600


def test_what_is_made_meanwhile_is_closed(tmp_path):
    for shared, wanted in [(False, 0o600), (True, 0o660)]:
        with staff_only(shared):
            path = tmp_path / str(shared)
            path.write_text("x")
        assert mode(path) == wanted
    before = os.umask(0)
    os.umask(before)
    with pytest.raises(ValueError, match="x"), staff_only(False):
        raise ValueError("x")
    after = os.umask(before)
    assert after == before
