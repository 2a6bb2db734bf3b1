"""Settings of a course: limits by name, and where student code finds the data."""

import pytest
from traitlets.config import Config

from proctor.errors import ProctorError
from proctor.sandbox.bubblewrap import Mount
from proctor.sandbox.limits import Limits
from proctor.settings import Proctor


def settings(**values) -> Proctor:
    return Proctor(config=Config({"Proctor": values}))


def test_limits_differ_where_the_course_says_so():
    limits = settings(limits={"cell_cpu_seconds": 7.0}).all_limits()
    assert limits.cell_cpu_seconds == 7.0
    assert limits.processes == Limits().processes


def test_unknown_limits_are_refused():
    with pytest.raises(ProctorError, match="there is no limit 'seconds'; there are asking_wall_seconds, cell_cpu"):
        settings(limits={"seconds": 7})


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ProctorError, match=r"Proctor\.limitz: there is no such setting; is c.Proctor.limits meant"):
        settings(limitz={})


def test_a_time_that_has_no_room_in_the_one_around_it_is_refused():
    with pytest.raises(ProctorError, match="notebook_wall_seconds is 3600, and submission_seconds leaves 1740 seconds"):
        settings(limits={"notebook_wall_seconds": 3600.0}).all_limits()


def test_times_that_nobody_chose_are_cut_to_the_one_around_them():
    limits = settings(limits={"submission_seconds": 160.0}).all_limits()
    assert limits.notebook_wall_seconds == limits.cell_wall_seconds == limits.startup_seconds == 100.0


def test_data_is_mounted_where_the_course_has_some(tmp_path):
    (tmp_path / "data").mkdir()
    mounts, variables = settings(data="data", data_variable="COURSE_DATA").data_place(tmp_path)
    assert mounts == [Mount((tmp_path / "data").resolve(), "/opt/data")]
    assert variables == {"COURSE_DATA": "/opt/data"}


def test_without_a_sandbox_the_data_stays_where_it_is(tmp_path):
    (tmp_path / "data").mkdir()
    mounts, variables = settings(data="data", sandbox="none").data_place(tmp_path)
    assert mounts == []
    assert variables == {"DATA": str((tmp_path / "data").resolve())}


@pytest.mark.parametrize("data", ["", "nowhere", "file"])
def test_no_data(tmp_path, data):
    (tmp_path / "file").write_text("")
    assert settings(data=data).data_place(tmp_path) == ([], {})
