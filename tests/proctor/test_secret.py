"""The course secret: where it may lie, who may read it, and keys that repeat and tell nothing about each other."""

import os
import pwd
import stat
import subprocess

import pytest

from proctor import secret
from proctor.errors import ProctorError
from proctor.secret import FILE_NAME, Secret, default_path, load_secret


@pytest.fixture
def course(tmp_path):
    root = tmp_path / "repository" / "course"
    root.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    return root


def test_default_lies_beside_the_repository(course, tmp_path):
    assert default_path(course) == tmp_path / FILE_NAME
    alone = tmp_path / "alone" / "course"
    alone.mkdir(parents=True)
    assert default_path(alone) == tmp_path / "alone" / FILE_NAME


def test_made_once_and_readable_by_its_owner_only(course):
    path = default_path(course)
    first = load_secret(path, course)
    assert load_secret(path, course) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [FILE_NAME]
    assert len(first.value) == 32
    assert first.value.hex() not in repr(first)


def test_two_courses_have_two_secrets(course, tmp_path):
    assert load_secret(tmp_path / "one", course) != load_secret(tmp_path / "two", course)


def test_inside_the_repository_is_refused(course):
    (course.parent / "link").symlink_to(course)
    for path in (course / "secret", course.parent / "secret", course.parent / "link" / "secret"):
        with pytest.raises(ProctorError, match="outside"):
            load_secret(path, course)
        assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_others_with_access_are_refused(course, mode):
    path = default_path(course)
    load_secret(path, course)
    path.chmod(mode)
    with pytest.raises(ProctorError, match="chmod 600"):
        load_secret(path, course)


@pytest.mark.parametrize("content", ["", "short", "ab" * 31, "xy" * 32])
def test_what_is_no_secret_is_refused_and_kept(course, content):
    path = default_path(course)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ProctorError, match="not a course secret"):
        load_secret(path, course)
    assert path.read_text() == content


def test_links_fifos_folders_and_missing_places_are_refused(course, tmp_path):
    real = tmp_path / "real"
    load_secret(real, course)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in ("link", "dangling", "folder", "fifo", "absent/secret"):
        with pytest.raises(ProctorError, match="secret"):
            load_secret(tmp_path / path, course)
    assert not (tmp_path / "absent").exists()


def test_keys_repeat_and_differ_in_each_part():
    value = Secret(b"s" * 32)
    key = value.key("checks", "ada", "00ff")
    assert len(key) == 32
    assert Secret(b"s" * 32).key("checks", "ada", "00ff") == key
    others = {
        value.key("kernel", "ada", "00ff"),
        value.key("checks", "bob", "00ff"),
        value.key("checks", "ada", "00fe"),
        # a join without lengths would give the same text
        value.key("checks", "ada00", "ff"),
        value.key("checksada", "", "00ff"),
        Secret(b"t" * 32).key("checks", "ada", "00ff"),
    }
    assert len(others | {key}) == 7


def test_a_place_that_git_ignores_will_do_unless_it_is_the_course(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("/run/\n")
    course = tmp_path / "run" / "course"
    course.mkdir(parents=True)
    assert len(load_secret(tmp_path / "run" / "secret", course).value) >= 32
    for place in (tmp_path / "secret", course / "secret"):
        with pytest.raises(ProctorError, match="must lie outside"):
            load_secret(place, course)


def test_a_group_of_staff_may_read_it_where_the_course_is_shared(course, monkeypatch):
    path, group = default_path(course), os.getegid()
    first = load_secret(path, course, group)
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, group)
    assert load_secret(path, course, group) == first
    # Not where one account grades.
    with pytest.raises(ProctorError, match="chmod 600"):
        load_secret(path, course)
    # Whose it is doesn't matter if that account grades too.
    monkeypatch.setattr(secret.os, "geteuid", lambda: status.st_uid + 1)
    monkeypatch.setattr(secret, "_ROOT", -1)
    monkeypatch.setattr(secret, "is_member", lambda account, number: True)
    assert load_secret(path, course, group) == first
    monkeypatch.setattr(secret, "is_member", lambda account, number: False)
    with pytest.raises(ProctorError, match="an account that is not in the group"):
        load_secret(path, course, group)
    with pytest.raises(ProctorError, match=r"belongs to somebody else.*groupshared"):
        load_secret(path, course)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o650])
def test_more_than_reading_by_the_group_is_refused(course, mode):
    path = default_path(course)
    load_secret(path, course, os.getegid())
    path.chmod(mode)
    with pytest.raises(ProctorError, match=r"chgrp .* and `chmod 640"):
        load_secret(path, course, os.getegid())


def test_another_group_than_that_of_the_staff_is_refused(course):
    path = default_path(course)
    load_secret(path, course, os.getegid())
    with pytest.raises(ProctorError, match="others than the group 54321 may read"):
        load_secret(path, course, 54321)
    path.chmod(0o600)
    load_secret(path, course, 54321)


def test_members_are_those_of_the_accounts_own_group_and_of_others():
    me = pwd.getpwuid(os.geteuid())
    assert secret.is_member(me.pw_uid, me.pw_gid)
    assert not secret.is_member(me.pw_uid, 2**31 - 7)
    assert not secret.is_member(2**31 - 7, me.pw_gid)
    assert secret.group_name(2**31 - 7) == str(2**31 - 7)
