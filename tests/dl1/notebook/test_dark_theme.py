"""Pictures on JupyterLab's dark theme: the style sheet is served, and each picture is one that it knows."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from jupyter_server.base.handlers import FileFindHandler
from jupyter_server.extension.manager import ExtensionPackage
from tornado.web import Application

from dl1.graphs.widgets.message_steps import MessageSteps
from dl1.notebook import dark_theme
from dl1.padding import KernelStepper

KIT = Path(dark_theme.__file__).parents[1]
FIGURES = sorted((Path(__file__).resolve().parents[3] / "source").rglob("figures/*.svg"))
DRAWN = {"dl1-drawing", "dl1-neighbourhood"}
SVG = "{http://www.w3.org/2000/svg}"
# Of JupyterLab's notebook in a window of 1280×800, less controls, which may be in two rows, and a line of code.
WIDTH, HEIGHT = 845, 679 - 70 - 45


@pytest.fixture
def served(tmp_path):
    """What the server's handler of style sheets is told."""
    switched_on = json.loads((KIT / "jupyter" / "dl1.json").read_text())["ServerApp"]["jpserver_extensions"]
    assert switched_on[dark_theme.__name__]
    package = ExtensionPackage(name=dark_theme.__name__, enabled=True)
    assert package.validate()
    lab, application = SimpleNamespace(custom_css=False), Application(static_handler_class=FileFindHandler)
    server = SimpleNamespace(
        extension_manager=SimpleNamespace(extension_apps={"jupyterlab": [lab]}),
        config_dir=str(tmp_path),
        base_url="/user/ada/",
        web_app=application,
    )
    package.extension_points[dark_theme.__name__].load(server)
    assert lab.custom_css
    rule = application.default_router.rules[0].target.rules[0]
    assert rule.matcher.regex.fullmatch("/user/ada/custom/custom.css").groups() == ("custom.css",)
    assert rule.target is FileFindHandler
    return rule.target_kwargs


def test_jupyterlab_asks_for_the_sheet_and_gets_it(served):
    found = Path(FileFindHandler.get_absolute_path(served["path"], "custom.css"))
    assert found == dark_theme.SHEET
    assert {f".{name}" for name in DRAWN} <= set(re.findall(r"\.[\w-]+", found.read_text(encoding="utf-8")))


def test_a_user_keeps_the_own_sheet(served, tmp_path):
    own = tmp_path / "custom" / "custom.css"
    own.parent.mkdir()
    own.write_text("body { color: red }")
    FileFindHandler._static_paths.clear()
    assert FileFindHandler.get_absolute_path(served["path"], "custom.css") == str(own)


def test_what_a_widget_draws_on_white_is_known_to_the_sheet():
    whites = 0
    for file in KIT.rglob("*.py"):
        lines = file.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.search(r"background: *(#fff|white)", line) or "data:image/png;base64,{self._" in line:
                whites += 1
                near = "\n".join(lines[max(0, number - 2) : number + 1])
                assert DRAWN & set(re.findall(r"dl1-\w+", near)), f"{file.name}:{number + 1}"
    assert whites > 4


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.stem)
def test_a_figure_has_a_look_for_dark_pages_that_covers_all_of_it(figure):
    root = ElementTree.parse(figure).getroot()
    (style,) = root.iter(f"{SVG}style")
    found = re.fullmatch(r"@media \(prefers-color-scheme: dark\) \{ svg > :is\((.*)\) \{ filter: .* \} \}", style.text)
    told = {f"{SVG}{name}" for name in ("title", "desc", "style", "defs")}
    covered = {f"{SVG}{name.strip()}" for name in found[1].split(",")}
    assert {child.tag for child in root} - told <= covered
    # What is dark on one page is light on the other.
    words = " ".join(root.itertext()).replace(style.text, "")
    assert not re.findall(r"\b(dark\w*|light\w*|white|black)\b", words, re.IGNORECASE)


@pytest.mark.parametrize("name", ["stepper", "message"])
def test_controls_and_picture_fit_on_a_small_screen(name):
    five = torch.ones(5, 5) - torch.eye(5)
    widget = KernelStepper(torch.ones(8, 8)) if name == "stepper" else MessageSteps(five, torch.ones(5, 2))
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', widget._img()).groups())
    assert height * min(1, WIDTH / width) <= HEIGHT
