"""The formgrader's page of a submission, from a real server: who draws it, and what may run in it."""

import getpass
import hashlib
import json
import os
import re
import sys
import urllib.request
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from formgrader_server import Server
from nbgrader.api import Gradebook

from proctor.plugin import marked_by
from proctor.plugin.formgrader import with_policy

SLOW = "$x$ " * 100_000
PLACES = (
    *("gradebook/{}", "gradebook/hw/{}", "gradebook/{}/ex", "manage_submissions/{}"),
    *("manage_students/{}", "manage_students/ada/{}", "manage_students/{}/hw"),
)


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


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_name_in_an_address_is_text_on_the_page_and_in_its_scripts(server, place):
    for name in ('"x";run();//', "</script><script>run()</script>", "<b id='x'>", "\\", 'O\'Brien & "Co"'):
        status, policy, page = server.get(f"/formgrader/{place.format(quote(name, safe=''))}")
        assert status == 200
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
        assert len(scripts) > 8
        assert [attributes for attributes, _ in scripts if f'nonce="{nonce}"' not in attributes] == []
        (said,) = [text for _, text in scripts if "_id = " in text]
        found = [json.loads(one) for one in re.findall(r" = (.*);", said)]
        assert name in found
        assert "run()" not in re.sub(r'"[^"]*"', "", re.sub(r"\\.", "", said))
        assert name not in re.sub("<script.*?</script>", "", page, flags=re.DOTALL) or name == "\\"
        assert escape(name, quote=False) in page.replace("&#39;", "'").replace("&#34;", '"')
        assert "unsafe-inline" not in policy


@pytest.mark.slow
def test_answers_to_scripts_are_no_pages(server):
    server.submit("uma", "*a*")
    evil = "<img src=x onerror=run()>"
    with Gradebook(f"sqlite:///{server.folder / 'gradebook.db'}", "test") as gradebook:
        gradebook.update_or_create_student("uma", first_name=evil)
    for address in ("students", "student/uma"):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/formgrader/api/{address}", timeout=300) as answer:
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert json.loads(answer.read())


@pytest.mark.slow
def test_a_students_name_is_text_and_takes_no_password_of_the_pages(server):
    address = server.submit("lie", "*a*")
    name = "<script type=\"text/javascript\">\n  $('span.glyphicon.name-hidden');run()</script>"
    with Gradebook(f"sqlite:///{server.folder / 'gradebook.db'}", "test") as gradebook:
        gradebook.update_or_create_student("lie", first_name="<b id=x>", last_name=name)
    status, policy, page = server.get(address)
    assert status == 200
    assert "<b id=x>" not in page
    assert "&lt;b id=x&gt;" in page
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    ours = re.findall(rf'<script[^>]*nonce="{nonce}"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert sum("$('span.glyphicon.name-hidden').tooltip(" in text for text in ours) == 1
    assert not any("run()" in text for text in ours)


@pytest.mark.slow
def test_a_students_notebook_is_no_source_of_a_marking_scheme(server):
    scheme = "### BEGIN SOLUTION\nx\n#### Marking scheme (2)\n\n- 2: all\n### END SOLUTION"
    cell = nbformat.v4.new_markdown_cell(scheme)
    cell.metadata["nbgrader"] = {"grade": True, "solution": True, "locked": False, "task": False, "grade_id": "q1"}
    cell.metadata["nbgrader"] |= {"schema_version": 3, "points": 2}
    server.submit("una", content=nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    for name in ("../autograded/una/hw", "a" * 1_000, "\0"):
        place = f"/formgrader/mark/{quote(name, safe='')}/ex"
        assert server.get(f"{place}/")[0] == 200
        assert server.get(f"{place}/q1/")[0] == 404
    source = server.folder / "source" / "hw" / "ex.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    assert ">q1</a>" in server.get("/formgrader/mark/hw/ex/")[2]


def test_scripts_outside_of_the_templates_own_places_get_no_password():
    page = "<html><head><script>1</script></head><body><script>2</script><p><script nonce=''>3</script></body></html>"
    made, policy = with_policy(page)
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert made.count(nonce) == 1
    assert f'<script nonce="{nonce}">1' in made
    assert with_policy(page)[1] != policy
