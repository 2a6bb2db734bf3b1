"""JupyterHub on one machine with Unix accounts: students, TAs who share the course's account, and its formgrader.

Start it as root: `jupyterhub -f deploy/jupyterhub/jupyterhub_config.py`. What differs from server to server stands in
hub.toml; README.md says what has to be there.
"""

import contextlib
import grp
import os
import pwd
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTINGS = Path(os.environ.get("DL1_HUB", HERE / "hub.toml"))


def settings() -> dict:
    """What the file says; a mistake in it ends the hub with a line that says what to correct."""
    try:
        known, said = (tomllib.loads(one.read_text(encoding="utf-8")) for one in (HERE / "hub.toml", SETTINGS))
    except (OSError, ValueError) as error:
        sys.exit(f"{SETTINGS}: can't be read ({error}); correct it, or set DL1_HUB to another file")
    if unknown := sorted(said.keys() - known.keys()):
        sys.exit(f"{SETTINGS}: {unknown[0]} is no setting; hub.toml in {HERE} lists them")
    if os.geteuid() != 0:
        sys.exit("the hub starts servers under its users' accounts: run it as root")
    found = known | said
    for name in ("students", "staff"):
        try:
            grp.getgrnam(found[name])
        except KeyError:
            sys.exit(f"{SETTINGS}: there is no group {found[name]}; groupadd {found[name]}")
    try:
        pwd.getpwnam(found["course_account"])
    except KeyError:
        sys.exit(f"{SETTINGS}: there is no account {found['course_account']}; useradd {found['course_account']}")
    return found


def members(name: str) -> list[str]:
    """Accounts of a group, also of those whose own group it is."""
    group = grp.getgrnam(name)
    return sorted({*group.gr_mem, *(one.pw_name for one in pwd.getpwall() if one.pw_gid == group.gr_gid)})


def folder(path: str | Path, mode: int, account: str = "root") -> str:
    """Make a folder for an account. Those above belong to root, so that nobody can put something else in its place."""
    os.makedirs(path, exist_ok=True)
    owner = pwd.getpwnam(account)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    os.chmod(path, mode)
    return str(path)


@contextlib.contextmanager
def acting_as(account: str) -> Iterator[None]:
    """Meanwhile with the rights of an account: where others than root can write, they may have put a link."""
    owner, groups = pwd.getpwnam(account), os.getgroups()
    os.setgroups([owner.pw_gid])
    os.setegid(owner.pw_gid)
    os.seteuid(owner.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def make_exchange(root: Path, course: str, account: str) -> None:
    """Make what the first release would make, but so that no account can touch what others hand in.

    Sticky: nobody can put a folder of his own in place of the course's, or take a submission away. With the group of
    the course's account, by which that reads it. Students can't list inbound and feedback.
    """
    folder(root, 0o1777)
    with acting_as(account):
        for part, mode in {"": 0o755, "outbound": 0o755, "inbound": 0o3733, "feedback": 0o711}.items():
            path = root / course / part
            try:
                path.mkdir(exist_ok=True)
                path.chmod(mode)
            except OSError as error:
                sys.exit(f"{path}: {account} can't make it ({error.strerror}); see whose it is, and remove it")


HUB = settings()
STUDENTS, STAFF = members(HUB["students"]), members(HUB["staff"])
if both := sorted({*STUDENTS} & {*STAFF, HUB["course_account"]}):
    sys.exit(f"{both[0]} is in {HUB['students']} and grades the course; gpasswd --delete {both[0]} {HUB['students']}")
folder(HUB["state"], 0o700)
folder(HUB["runtime"], 0o755)
make_exchange(Path(HUB["exchange"]), HUB["course"], HUB["course_account"])


def closed(account: str, environment: str) -> dict[str, str]:
    """What programs of an account are told: their own runtime folder, their cores and programs."""
    return {
        "JUPYTER_RUNTIME_DIR": folder(Path(HUB["runtime"]) / account, 0o700, account),
        "PATH": f"{environment}/bin:/usr/local/bin:/usr/bin:/bin",
        "OMP_NUM_THREADS": str(HUB["cores"]),
        "TMPDIR": f"{pwd.getpwnam(account).pw_dir}/.cache/tmp",
    }


def server(environment: str) -> list[str]:
    """The command that starts a Jupyter server of an environment."""
    return [str(HERE / "start_server.sh"), f"{environment}/bin/python", "-m", "jupyterhub.singleuser"]


def before_start(spawner) -> None:
    """Settings of a user's server, just before it starts."""
    spawner.environment = {
        **closed(spawner.user.name, HUB["students_environment"]),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(str(HERE / one) for one in ("../student", "private", "exchange")),
        "DL1_COURSE": HUB["course"],
        "DL1_EXCHANGE": HUB["exchange"],
        "DL1_MEMORY": str(int(HUB["memory"] * 2**30)),
        "DL1_PROCESSES": str(HUB["processes"]),
    }


c = get_config()  # noqa: F821  traitlets defines it before it runs this file

c.JupyterHub.bind_url = HUB["address"]
c.JupyterHub.hub_port, proxy_port, formgrader_port = HUB["ports"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [HUB["proxy"]]
c.ConfigurableHTTPProxy.pid_file = f"{HUB['state']}/proxy.pid"
c.JupyterHub.db_url = f"sqlite:///{HUB['state']}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{HUB['state']}/cookie_secret"

# Accounts of this machine, with its passwords.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {HUB["students"], HUB["staff"]}
c.PAMAuthenticator.admin_groups = set()

c.Spawner.cmd = server(HUB["students_environment"])
c.Spawner.default_url = "/lab"
# Many start at once when a lecture begins.
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.Spawner.args = [
    f"--ServerApp.shutdown_no_activity_timeout={int(HUB['idle_hours'] * 3600)}",
    f"--MappingKernelManager.cull_idle_timeout={int(HUB['idle_hours'] * 3600)}",
]
c.Spawner.pre_spawn_hook = before_start
c.JupyterHub.active_server_limit = HUB["servers"]
# With systemd a control group bounds all processes of a server together, and /tmp is its own.
if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run"):
    c.JupyterHub.spawner_class = "systemd"
    c.SystemdSpawner.mem_limit = f"{HUB['memory']}G"
    c.SystemdSpawner.cpu_limit = float(HUB["cores"])
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.disable_user_sudo = True
else:
    c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"

c.JupyterHub.load_groups = {f"formgrade-{HUB['course']}": {"users": STAFF}}
c.JupyterHub.load_roles = [
    {
        "name": "formgrade",
        "groups": [f"formgrade-{HUB['course']}"],
        "scopes": [f"access:services!service={HUB['course']}"],
    },
]
c.JupyterHub.services = [
    {
        "name": HUB["course"],
        "url": f"http://127.0.0.1:{formgrader_port}",
        "command": server(HUB["staff_environment"]),
        "user": HUB["course_account"],
        "cwd": HUB["course_folder"],
        "oauth_no_confirm": True,
        "timeout": 300,
        "environment": {
            **closed(HUB["course_account"], HUB["staff_environment"]),
            "JUPYTER_CONFIG_PATH": os.pathsep.join([str(HERE / "private"), HUB["course_folder"]]),
            "JUPYTERHUB_DEFAULT_URL": "/formgrader",
            "NBGRADER_EXCHANGE": HUB["exchange"],
        },
    },
]
