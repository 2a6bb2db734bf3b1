"""JupyterLab loads the kit's style sheet, by which pictures sit well on its dark theme, too.

An extension of the Jupyter server, where JupyterLab asks for the sheet of whoever uses it. `jupyter/dl1.json`, which
comes into the environment's ``etc/jupyter`` with this package, switches it on. Whoever has a ``custom/custom.css``
in the own settings of Jupyter keeps that one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHEET = Path(__file__).parent / "custom" / "custom.css"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    # Extensions are loaded by the alphabet: JupyterLab and its page come later, and of two handlers the first is taken.
    for app in server.extension_manager.extension_apps.get("jupyterlab", ()):
        app.custom_css = True
    places = [str(Path(server.config_dir) / "custom"), str(SHEET.parent)]
    handler = server.web_app.settings["static_handler_class"]
    about = {"path": places, "no_cache_paths": ["/"]}
    server.web_app.add_handlers(".*$", [(rf"{server.base_url}custom/(custom\.css)", handler, about)])


# Older servers look for this name.
load_jupyter_server_extension = _load_jupyter_server_extension
