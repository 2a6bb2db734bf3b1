"""deploy/jupyterhub's configuration, read as root: what it makes, and what it refuses."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from accounts import lacking, made
from course_folder import ROOT

MISSING = lacking()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
CONFIG = ROOT / "deploy/jupyterhub/jupyterhub_config.py"
READ = """
import sys
from traitlets.config import Config, PyFileConfigLoader
PyFileConfigLoader(sys.argv[1]).load_config()
"""


@pytest.fixture(scope="module")
def accounts():
    with made({"students": ("ada",), "staff": ("tim",), "owner": ("course",)}) as accounts:
        yield accounts


@pytest.fixture
def place(accounts, tmp_path_factory) -> Path:
    """A folder for all that belongs to one hub, which the accounts reach."""
    made = accounts.place / tmp_path_factory.mktemp("hub").name
    made.mkdir()
    return made


def read(accounts, place: Path, more: str = "") -> tuple[int, str]:
    """Exit status and words of a process that reads the configuration."""
    settings = f"""
course = "test"
course_account = "{accounts.names["course"]}"
course_folder = "{place}/course"
students = "{accounts.groups["students"]}"
staff = "{accounts.groups["staff"]}"
exchange = "{place}/exchange"
state = "{place}/state"
runtime = "{place}/run"
"""
    (place / "hub.toml").write_text(settings + more)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(CONFIG)],
        env={"DL1_HUB": str(place / "hub.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_what_it_makes_is_closed(accounts, place):
    assert read(accounts, place) == (0, "")
    modes = {
        path: stat.S_IMODE((place / path).stat().st_mode)
        for path in ("state", "run", "exchange", "exchange/test", "exchange/test/inbound", "exchange/test/feedback")
    }
    assert list(modes.values()) == [0o700, 0o755, 0o1777, 0o755, 0o3733, 0o711]
    assert (place / "exchange/test/inbound").owner() == accounts.names["course"]
    # Once more, as at each start.
    assert read(accounts, place) == (0, "")


def test_a_link_that_a_student_has_put_there_gives_nothing_away(accounts, place):
    exchange, target = place / "exchange", place / "target"
    target.mkdir()
    exchange.mkdir()
    exchange.chmod(0o1777)
    accounts.run("ada", "ln", "-s", str(target), str(exchange / "test"))
    status, said = read(accounts, place)
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"{exchange}/test: {accounts.names['course']} can't make it (Operation not permitted)")
    assert (target.owner(), list(target.iterdir())) == ("root", [])


@pytest.mark.parametrize(
    ("line", "said"),
    [("cores_each = 2", "cores_each is no setting"), ("cores = [", "can't be read")],
)
def test_a_mistake_in_the_settings_is_named(accounts, place, line, said):
    status, words = read(accounts, place, line)
    assert (status, said in words, "Traceback" in words) == (1, True, False)


def test_nobody_is_a_student_and_grades(accounts, place):
    subprocess.run(["gpasswd", "--add", accounts.names["tim"], accounts.groups["students"]], check=True)
    status, words = read(accounts, place)
    subprocess.run(["gpasswd", "--delete", accounts.names["tim"], accounts.groups["students"]], check=True)
    assert status == 1
    assert f"gpasswd --delete {accounts.names['tim']}" in words
