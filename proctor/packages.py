"""Where an installed package lies, found without importing it: PyTorch, for one, takes seconds to import."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from proctor.errors import ProctorError


def folder_of(package: str) -> Path:
    """Folder of a package.

    Raises:
        ProctorError: It is not installed here.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ProctorError(f"the package {package} is not installed here; install it from the course's repository")
    return Path(spec.submodule_search_locations[0]).resolve()
