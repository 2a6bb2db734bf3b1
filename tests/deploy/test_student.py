"""deploy/student as Jupyter itself reads it: named in JUPYTER_CONFIG_PATH, and put into an environment."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from course_folder import ROOT
from jupyter_client.manager import KernelManager
from jupyter_core import paths
from jupyter_server.extension.config import ExtensionConfigManager
from jupyter_server.serverapp import ServerApp
from jupyterlab_server.config import get_page_config
from jupyterlab_server.settings_utils import _get_overrides
from nbgrader.apps import ValidateApp
from nbgrader.preprocessors import Execute

STUDENT, PRIVATE = ROOT / "deploy/student", ROOT / "deploy/jupyterhub/private"
STAFFS = {"formgrader", "course-list", "create-assignment"}
KEPT = {"assignment-list", "validate-assignment", "menu"}


@pytest.fixture(params=["named", "copied"])
def folders(request, tmp_path, monkeypatch) -> list[str]:
    """Where a student's Jupyter looks for settings, from the first to the last."""
    environment = tmp_path / "environment"
    shutil.copytree(Path(sys.prefix) / "etc/jupyter", environment)
    if request.param == "copied":
        shutil.copytree(STUDENT, environment, dirs_exist_ok=True)
    monkeypatch.setattr(paths, "ENV_CONFIG_PATH", [str(environment)])
    monkeypatch.setattr(paths, "SYSTEM_CONFIG_PATH", [])
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(STUDENT) if request.param == "named" else "")
    return paths.jupyter_config_path()


def test_the_wheel_of_the_bundle_puts_every_file_where_jupyter_looks():
    project = tomllib.loads((STUDENT / "pyproject.toml").read_text(encoding="utf-8"))
    put = {(place, name) for place, names in project["tool"]["setuptools"]["data-files"].items() for name in names}
    files = {path.relative_to(STUDENT) for path in STUDENT.glob("*/*.json")}
    assert put == {(f"etc/jupyter/{path.parent}", path.as_posix()) for path in files}
    assert len(files) == 3


def test_a_students_server_has_no_formgrader_and_no_course_list(folders):
    served = ExtensionConfigManager(read_config_path=folders).get_jpserver_extensions()
    assert {name.rpartition(".")[2]: on for name, on in served.items() if name.startswith("nbgrader.")} == {
        "assignment_list": True,
        "course_list": False,
        "formgrader": False,
        "validate_assignment": True,
    }
    assert served["dl1.notebook.validate_window"]


def test_a_students_lab_has_no_buttons_of_the_staff_and_no_news(folders, tmp_path):
    disabled = set(get_page_config([], str(tmp_path))["disabledExtensions"])
    assert {f"@jupyter/nbgrader:{name}" for name in STAFFS} <= disabled
    assert not {f"@jupyter/nbgrader:{name}" for name in KEPT} & disabled
    assert "@jupyterlab/apputils-extension:announcements" in disabled
    overrides, error = _get_overrides(str(tmp_path))
    assert not error
    news = overrides["@jupyterlab/apputils-extension:notification"]
    assert news == {"checkForUpdates": False, "fetchNews": "false"}


def test_kernels_on_a_hub_listen_to_nobody_else(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(PRIVATE))
    for program in (ServerApp, ValidateApp):
        app = program()
        app.load_config_file()
        assert KernelManager(config=app.config).transport == "ipc", program


def test_validate_on_a_hub_waits_for_a_busy_machine(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(ROOT / "deploy/jupyterhub/exchange"))
    monkeypatch.setenv("DL1_COURSE", "test")
    monkeypatch.setenv("DL1_EXCHANGE", "/nowhere")
    app = ValidateApp()
    app.load_config_file()
    assert Execute(config=app.config).iopub_timeout == 60
