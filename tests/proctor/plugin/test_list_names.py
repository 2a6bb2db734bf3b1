"""The scripts of the formgrader's lists are nbgrader's own, but for the line that makes a name."""

from pathlib import Path

import pytest
from nbgrader.server_extensions.formgrader import handlers

from proctor.plugin import list_names


@pytest.mark.parametrize("name", list_names.SCRIPTS)
def test_a_name_is_what_is_known_of_it_or_the_id(name):
    before = (Path(handlers.static_path) / "js" / f"{name}.js").read_text().splitlines()
    after = list_names.script(name).splitlines()
    ((old, new),) = [both for both in zip(before, after, strict=True) if both[0] != both[1]]
    assert 'last_name + ", " + first_name' in old
    assert '.filter(Boolean).join(", ") || this.model.get("student") || this.model.get("id");' in new


def test_every_list_with_names_is_among_them():
    folder = Path(handlers.static_path) / "js"
    assert {path.stem for path in folder.glob("*.js") if 'last_name + ", "' in path.read_text()} == set(
        list_names.SCRIPTS
    )


def test_they_are_handed_out_before_nbgraders():
    assert not any("proctor" in entry[1].__module__ for entry in handlers.default_handlers)
    list_names.name_by_id()
    list_names.name_by_id()
    first, *others = [entry[0] for entry in handlers.default_handlers]
    assert "manage_students" in first
    assert first not in others
