"""The folder that holds everything a demo makes: a copy of the course, the exchange, the students' homes, the logs.

course/      nbgrader's course folder: a copy of source/, gradebook.db, release/, submitted/, autograded/, feedback/
exchange/    where assignments, hand-ins and feedback pass between staff and students
staff/       home of the staff's commands
students/    one home per student, with the assignment in it
logs/        what each nbgrader command said
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from demo.errors import DemoError

CHECKOUT = Path(__file__).resolve().parent.parent
ASSIGNMENT = "assignment2"
MARKER = ".made-by-demo"

STAFF_CONFIG = """\
# The course's own configuration, with every path moved into the demo's folder.
from pathlib import Path

load_subconfig({checkout_config!r})
c = get_config()

course = Path(__file__).resolve().parent
c.CourseDirectory.root = str(course)
c.CourseDirectory.db_url = f"sqlite:///{{course / 'gradebook.db'}}"
c.Exchange.root = str(course.parent / "exchange")
c.Exchange.cache = str(course / ".nbgrader_cache")
# The example students are not accounts of this machine: all of their files belong to whoever runs the demo.
c.Collect.check_owner = False
# Without a deadline the demo ends with the same table before and after the course's own one.
c.GenerateAssignment.post_convert_hook = None
# A secret of the demo's own; and where there is no sandbox the kit's own examples are graded without.
c.Proctor.secret = {secret!r}
c.Proctor.sandbox = {sandbox!r}
# What the example students did wrong has names there.
c.Proctor.misconceptions = {misconceptions!r}
"""

STUDENT_CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = {course_id!r}
c.Exchange.root = {exchange!r}
"""


class RunFolder:
    """An empty demo folder, held for this process until it ends.

    Raises DemoError if the folder has other contents, is in use, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.course = self.path / "course"
        self.exchange = self.path / "exchange"
        self.staff_home = self.path / "staff"
        self.logs = self.path / "logs"
        marker = self.path / MARKER
        try:
            if self.path.exists() and not marker.exists() and any(self.path.iterdir()):
                raise DemoError(f"{self.path} holds files that no demo made; name another folder with --run-folder")
            self.path.mkdir(parents=True, exist_ok=True)
            # Commands inherit the lock: a killed demo's last command has to end before the next demo may clean up.
            self.lock = marker.open("w")
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo is running in {self.path}; wait for it, or end it") from None
        except OSError as error:
            raise DemoError(
                f"{error.filename or self.path} cannot be used ({error.strerror}); check its permissions"
            ) from None
        self._empty()

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name == MARKER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def set_up_course(self, sandbox: str) -> None:
        """Copy the assignment's sources in and write the staff's configuration.

        The sources are copied, not linked, so that nothing that runs here can write into the checkout's own.

        Args:
            sandbox: kind of sandbox that grading uses, "bwrap" or "none".
        """
        source = CHECKOUT / "source" / ASSIGNMENT
        if not any(source.glob("*.ipynb")):
            raise DemoError(f"there is no notebook in {source}; is this checkout complete?")
        shutil.copytree(
            source, self.course / "source" / ASSIGNMENT, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
        config = STAFF_CONFIG.format(
            checkout_config=str(CHECKOUT / "nbgrader_config.py"),
            sandbox=sandbox,
            secret=str(self.path / "secret"),
            misconceptions=str(CHECKOUT / "misconceptions"),
        )
        (self.course / "nbgrader_config.py").write_text(config, encoding="utf-8")
        self.staff_home.mkdir()
        self.logs.mkdir()

    def set_up_student(self, name: str, course_id: str) -> Path:
        """Make a student's home, configured as on a student's machine; returns the home."""
        home = self.path / "students" / name
        config = home / ".jupyter" / "nbgrader_config.py"
        config.parent.mkdir(parents=True)
        config.write_text(STUDENT_CONFIG.format(course_id=course_id, exchange=str(self.exchange)), encoding="utf-8")
        return home

    def environment(self, home: Path) -> dict[str, str]:
        """Environment of a person's commands: this interpreter's programs first, personal folders inside `home`."""
        foreign = ("JUPYTER", "XDG_", "IPYTHON", "MPL", "NBGRADER", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "HOME": str(home),
            # nbgrader starts `alembic` by name when it makes a gradebook.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
            "JUPYTER_DATA_DIR": str(home / ".local" / "share" / "jupyter"),
            "JUPYTER_RUNTIME_DIR": str(home / ".local" / "share" / "jupyter" / "runtime"),
            "IPYTHONDIR": str(home / ".ipython"),
            "MPLCONFIGDIR": str(home / ".config" / "matplotlib"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_STATE_HOME": str(home / ".local" / "state"),
        }
