"""The formgrader's page of a submission, from a real server: who draws it, and what may run in it."""

import getpass
import hashlib
import json
import os
import re
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from formgrader_server import Server
from nbgrader.api import Gradebook

from proctor.plugin import marked_by
from proctor.plugin.formgrader import with_policy

SLOW = "$x$ " * 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader looks for alembic there when it makes a gradebook.
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        made = Server(tmp_path_factory.mktemp("formgrader"))
        try:
            made.wait()
            yield made
        finally:
            made.process.terminate()
            made.process.wait()


@pytest.mark.slow
def test_an_honest_page_has_formulas_and_fields_and_scripts_of_its_own_only(server):
    status, policy, page = server.get(server.submit("ada", "*a* $x^2$"))
    assert status == 200
    assert "<em>a</em> <span" in page
    assert "<msup>" in page
    assert 'class="score tabbable" id="q1"' in page
    assert "libs/mathjax" not in page
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    scripts = re.findall(r"<script[^>]*>", page)
    assert len(scripts) > 10
    assert [one for one in scripts if f'nonce="{nonce}"' not in one] == []
    for text in re.findall(r' on\w+="([^"]*)"', page):
        assert b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    for word in ("unsafe-inline", "unsafe-eval", "strict-dynamic"):
        assert word not in policy


@pytest.mark.slow
def test_who_types_points_is_written_down(server):
    server.submit("mo", "*a*")
    with Gradebook(f"sqlite:///{server.folder / 'gradebook.db'}", "test") as gradebook:
        address = f"/formgrader/api/grade/{gradebook.find_grade('q1', 'ex', 'hw', 'mo').id}"
    for points in (2, 1.5):
        assert server.send(address, "PUT", json.dumps({"manual_score": points}).encode())["manual_score"] == points
    found, damaged = marked_by.read(server.folder, "hw")
    assert [(one.student, one.notebook, one.cell, one.score) for one in found] == [
        ("mo", "ex", "q1", points) for points in (2, 1.5)
    ]
    assert {one.marker for one in found} == {getpass.getuser()}
    assert damaged == []


@pytest.mark.slow
def test_the_server_serves_while_a_slow_page_is_drawn(server):
    address = server.submit("eve", "*a*", SLOW)
    with ThreadPoolExecutor() as pool:
        page = pool.submit(server.get, address)
        statuses = [server.get("/api")[0] for _ in range(5)]
        assert not page.done()
        status, _, made = page.result()
    assert statuses == [200] * 5
    assert status == 200
    assert "<em>a</em>" in made
    assert made.count("This cell is shown as plain text") == 1
    assert 'class="score tabbable" id="q1"' in made


@pytest.mark.slow
@pytest.mark.parametrize("content", ["no notebook", "[" * 100_000])
def test_what_can_not_be_drawn_is_a_page_that_says_what_to_do(server, content):
    student = f"bob{len(content)}"
    status, _, page = server.get(server.submit(student, content=content))
    assert status == 500
    assert f"autograded/{student}/hw/ex.ipynb" in page
    assert "text editor" in page


@pytest.mark.slow
def test_a_submission_that_is_not_there_is_as_in_nbgrader(server):
    assert server.get("/formgrader/submissions/nobody/")[0] == 404


def test_scripts_outside_of_the_templates_own_places_get_no_password():
    page = "<html><head><script>1</script></head><body><script>2</script><p><script nonce=''>3</script></body></html>"
    made, policy = with_policy(page)
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert made.count(nonce) == 1
    assert f'<script nonce="{nonce}">1' in made
    assert with_policy(page)[1] != policy
