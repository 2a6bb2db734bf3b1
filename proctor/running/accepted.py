"""What is accepted of the words of a sandbox: outputs as a notebook stores them, and paths of results."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any


def add_output(outputs: list[dict[str, Any]], output: Any) -> None:
    """Adds what looks like an output of nbformat; anything else is dropped."""
    if type(output) is not dict:
        return
    kind = output.get("output_type")
    if kind == "clear":
        outputs.clear()
    elif kind == "stream" and output.get("name") in ("stdout", "stderr") and type(output.get("text")) is str:
        if outputs and outputs[-1]["output_type"] == "stream" and outputs[-1]["name"] == output["name"]:
            outputs[-1]["text"] += output["text"]
        else:
            outputs.append({"output_type": "stream", "name": output["name"], "text": output["text"]})
    elif kind in ("display_data", "execute_result") and type(output.get("data")) is dict:
        made = {"output_type": kind, "data": output["data"], "metadata": {}}
        count = output.get("execution_count")
        if kind == "execute_result":
            made["execution_count"] = count if type(count) is int and 0 <= count < 10**6 else None
        outputs.append(made)
    elif kind == "error" and type(output.get("traceback")) is list:
        lines = [str(line) for line in output["traceback"]]
        names = {key: str(output.get(key, "")) for key in ("ename", "evalue")}
        outputs.append({"output_type": "error", **names, "traceback": lines})


def safe_path(name: Any) -> PurePosixPath | None:
    """A relative path of plain names for a declared result; None for anything else."""
    if type(name) is not str or not 0 < len(name) < 200 or "\\" in name or not name.isprintable():
        return None
    path = PurePosixPath(name)
    parts = path.parts
    if path.is_absolute() or ".." in parts or len(parts) > 8 or any(part.startswith(".") for part in parts):
        return None
    if len(parts) == 1:
        return path if path.suffix in (".py", ".json") else None
    return path if parts[0] == "runs" else None
