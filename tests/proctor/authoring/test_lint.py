import copy
import json

import pytest

from proctor.authoring.lint import lint, main

SOLUTION = """\
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION"""
TEST = """\
import math

from dl1 import check_close, check_raises, probe


def one(x):
    return 1.0


@probe
def doubled(x):
    return double(math.fsum([x]))


@probe(given={"double": one})
def replaced(x):
    return use(x)


check_close(doubled(2.0), 4.0)
### BEGIN HIDDEN TESTS
check_close(replaced(2.0), 1.0)
### END HIDDEN TESTS"""
ESSAY = """\
*Your answer, at most 50 words:*

### BEGIN SOLUTION
Because.

#### Marking scheme (1)

- 1: a reason
### END SOLUTION"""


def code(source: str, cell_id: str, **nbgrader) -> dict:
    cell = {
        "cell_type": "code",
        "id": cell_id,
        "source": source,
        "outputs": [],
        "execution_count": None,
        "metadata": {},
    }
    if not (nbgrader.get("grade") or nbgrader.get("solution")):
        cell["metadata"]["tags"] = ["definitions"]
    if nbgrader:
        cell["metadata"]["nbgrader"] = {"grade_id": cell_id, "schema_version": 3, "task": False, **nbgrader}
    return cell


def solution(source: str = SOLUTION, cell_id: str = "q1_double") -> dict:
    return code(source, cell_id, grade=False, locked=False, solution=True)


def checking(source: str = TEST, cell_id: str = "q1_values", points: object = 2) -> dict:
    cell = code(source, cell_id, grade=True, locked=True, solution=False, points=points)
    cell["metadata"]["tags"] = ["raises-exception"]
    return cell


def essay(source: str = ESSAY) -> dict:
    cell = code(source, "q1_why", grade=True, locked=False, solution=True, points=1)
    del cell["outputs"], cell["execution_count"]
    return cell | {"cell_type": "markdown"}


def notebook(*cells: dict, points: object = 3, interface: object = ("double", "use")) -> dict:
    proctor = {"points": points, "interface": list(interface) if isinstance(interface, tuple) else interface}
    cells = cells or (code("def use(x):\n    return double(x)", "given"), solution(), checking(), essay())
    return {"cells": list(cells), "metadata": {"proctor": proctor}, "nbformat": 4, "nbformat_minor": 5}


def messages(content: dict) -> list[str]:
    return [f"{finding.where}: {finding.message}" for finding in lint(content)]


def changed(which: int, source: str) -> dict:
    content = copy.deepcopy(notebook())
    content["cells"][which]["source"] = source
    return content


def in_test(old: str, new: str) -> dict:
    assert TEST.count(old) == 1
    return changed(2, TEST.replace(old, new))


def test_a_proper_notebook_has_no_findings():
    assert messages(notebook()) == []


@pytest.mark.parametrize(
    ("which", "source", "message"),
    [
        (1, SOLUTION.replace("    ### END SOLUTION", ""), "BEGIN SOLUTION"),
        (1, SOLUTION.replace("    ### BEGIN SOLUTION\n", ""), "END SOLUTION"),
        (1, SOLUTION.replace("    return", "    ### BEGIN SOLUTION\n    return"), "BEGIN SOLUTION"),
        (1, SOLUTION.replace("    ### BEGIN SOLUTION", "    # BEGIN SOLUTION here"), "write the marker alone"),
        (0, SOLUTION.replace("double", "use"), "BEGIN SOLUTION belongs in a solution or manual cell"),
        (1, SOLUTION + "\n### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "HIDDEN TESTS belongs in a test cell"),
        (1, "def double(x):\n    return 2 * x", "a solution cell needs ### BEGIN SOLUTION"),
        (3, "Answer: because.", "a manual cell needs ### BEGIN SOLUTION"),
        (3, ESSAY.replace("#### Marking scheme", "Marks"), 'no "Marking scheme" heading'),
        (3, ESSAY.replace("- 1: a", "- ½: a"), "add up to ½ and the answer has 1"),
        (3, ESSAY + "\n![](data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==)", "image as base64"),
        (1, SOLUTION.replace("    ###", "###"), "once the solution is a stub"),
        (0, "def use(x):\n    return double(x)\n\nuse(2) == 4", "compares and drops the result"),
        (
            0,
            "def use(x):\n    not (x == 4 and 1 < x < 3)\n    return double(x)",
            "line 2: compares and drops the result",
        ),
        (0, "def use(x:\n    return double(x)", "does not parse"),
        (1, SOLUTION + "\n%matplotlib inline", "only IPython understands this line"),
        (0, "def use(x):\n    return double(x) if x is 1 else 0", "Python warns"),
    ],
)
def test_rules_for_all_cells(which, source, message):
    found = messages(changed(which, source))
    assert any(message in line for line in found), found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("check_close(doubled(2.0), 4.0)\n", "check_close(double(2.0), 4.0)\n", "call it inside a probe"),
        ("check_close(doubled(2.0), 4.0)\n", "check_close(doubled(size), 4.0)\n", "`size` is not bound in this cell"),
        ("check_close(doubled(2.0), 4.0)\n", "doubled(2.0)\n", "the public part checks nothing"),
        ("check_close(replaced(2.0), 1.0)\n", "replaced(2.0)\n", "the hidden part checks nothing"),
        ("check_close(replaced(2.0), 1.0)\n", "assert True\n", "the hidden part checks nothing"),
        ("return double(math.fsum([x]))", "check_close(double(x), 4.0)", "gives a verdict"),
        ("return double(math.fsum([x]))", "assert double(x) == 4.0", "gives a verdict"),
        ("return double(math.fsum([x]))", "return one(x)", "`one` of this cell, which does not travel along"),
        ("return double(math.fsum([x]))", "return double(y)", "`y`, which is not there"),
        ("return double(math.fsum([x]))", "yield double(x)", "async or a generator"),
        ("return double(math.fsum([x]))", "from dl1 import generator\n    return double(x)", "is for the checker"),
        ("def doubled(x):", "def doubled(x, y=one):", "in defaults, bases or annotations"),
        ("@probe\n", "@probe()\n", "write the decorator as @probe"),
        ('{"double": one}', '{"other": one}', "given key 'other'"),
        ('{"double": one}', '{"double.": one}', "given key 'double.'"),
        ('{"double": one}', '{"double": math.fsum}', "given value math.fsum"),
        ("    return 1.0", "    return helper(x)", "double `one` uses `helper`"),
        ("def one(x):", "def use(x):\n    return x\n\n\ndef one(x):", "binds `use`, which is the student's answer"),
        ("def one(x):", "def one(x):\n    return 2.0\n\n\ndef one(x):", "defined more than once"),
        ("    return 1.0", "    global total\n    total = 1\n    return 1.0", "global total"),
        ("import math\n", "from math import *\nimport math\n", "import *"),
        ("(replaced(2.0), 1.0)\n", "(1.0, 1.0)\ncheck_raises(replaced, NotImplementedError)\n", "an unfinished answer"),
        ("check_close(doubled(2.0), 4.0)\n", "for _ in range(2):\n", "does not parse without its hidden tests"),
        ("### BEGIN HIDDEN", "check_close(later, 1.0)\n### BEGIN HIDDEN", "`later` is not bound"),
        ("### BEGIN HIDDEN TESTS\n", "later()\n### BEGIN HIDDEN TESTS\nlater = print\n", "in the students' version"),
    ],
)
def test_rules_for_test_cells(old, new, message):
    content = in_test(old, new)
    if message.startswith("does not parse"):
        content["cells"][2]["source"] = content["cells"][2]["source"].replace(
            "check_close(replaced(2.0), 1.0)", "    check_close(replaced(2.0), 1.0)"
        )
    found = messages(content)
    assert any(message in line and line.startswith("cell q1_values") for line in found), found


def test_a_test_cell_needs_a_hidden_part():
    public = TEST.partition("### BEGIN")[0]
    assert any("### BEGIN HIDDEN TESTS" in line for line in messages(changed(2, public)))


@pytest.mark.parametrize(
    "source",
    [
        "check_close(doubled([x for x in (1.0, 2.0)][0]), 2.0)",
        "check_close(doubled((size := 2.0)), 2 * size)",
        "for size in (1.0, 2.0):\n    check_close(doubled(size), 2 * size)",
        "try:\n    assert doubled(1.0) == 2.0\nexcept ValueError as error:\n    raise AssertionError from error",
        "def agree(size):\n    check_close(doubled(size), 2 * size)\n\n\nagree(2.0)",
        "with open(__file__) as file:\n    check_close(doubled(2.0), len(file.readline()))",
        "check_raises(lambda: doubled('x'), TypeError)",
    ],
)
def test_scopes_of_python_are_understood(source):
    found = messages(in_test("check_close(doubled(2.0), 4.0)", source))
    assert [line for line in found if "__file__" not in line] == []


@pytest.mark.parametrize("grade_id", ["q1_" + "x" * 62, "q1 double", "q1.double", ""])
def test_grade_ids_that_nbgrader_or_files_refuse(grade_id):
    content = notebook()
    content["cells"][1]["metadata"]["nbgrader"]["grade_id"] = grade_id
    assert any("grade_id" in line for line in messages(content))


@pytest.mark.parametrize(
    ("which", "key", "value", "message"),
    [
        (1, "schema_version", 2, "is not of schema_version 3"),
        (3, "task", True, "task cells have no model answer"),
    ],
)
def test_metadata_that_nbgrader_refuses_or_that_has_no_place_here(which, key, value, message):
    content = notebook()
    content["cells"][which]["metadata"]["nbgrader"][key] = value
    assert [line for line in messages(content) if message not in line] == []
    assert messages(content) != []


@pytest.mark.parametrize(("which", "kind"), [(1, "solution"), (2, "test")])
def test_code_cells_that_became_text(which, kind):
    content = notebook()
    content["cells"][which]["cell_type"] = "markdown"
    assert any(f"a {kind} cell must be a code cell" in line for line in messages(content))


@pytest.mark.parametrize(
    "more",
    [
        "%matplotlib inline",
        "!ls",
        "def same(x):\n    return x == 1",
        "same = 1 == 2",
        "print(1 == 2)",
        "use == 1 or use",
    ],
)
def test_what_a_cell_that_is_neither_test_nor_solution_may_hold(more):
    assert messages(changed(0, f"def use(x):\n    return double(x)\n\n{more}")) == []


@pytest.mark.parametrize("declared", [None, [], {"points": True}, {"points": "3"}])
def test_a_notebook_has_to_declare_its_points(declared):
    content = notebook()
    content["cells"][2]["source"] = TEST.replace("double", "len").replace("use", "abs")
    content["metadata"]["proctor"] = declared
    assert any("metadata.proctor.points is missing" in line for line in messages(content))


def test_repeated_grade_ids():
    content = notebook()
    content["cells"][2]["metadata"]["nbgrader"]["grade_id"] = "q1_double"
    assert any("an earlier cell has the same grade_id" in line for line in messages(content))


@pytest.mark.parametrize("points", [None, "2", -1, True, float("nan"), float("inf")])
def test_points_have_to_be_numbers(points):
    cells = [code("def use(x):\n    return x", "given"), solution(), checking(points=points), essay()]
    assert any("its points are not a number" in line for line in messages(notebook(*cells, points=1)))


def test_points_are_compared_with_the_declared_total():
    assert messages(notebook(points=4)) == [
        "notebook: the cells have 3 points and metadata.proctor.points says 4; correct one of them"
    ]
    assert any("metadata.proctor.points is missing" in line for line in messages(notebook(points=None)))


def test_points_left_on_a_cell_that_is_not_graded_do_not_count():
    content = notebook()
    content["cells"][1]["metadata"]["nbgrader"]["points"] = 5
    assert messages(content) == []


def test_a_cell_that_does_not_parse_is_said_once():
    for which in (1, 2):
        broken = changed(which, notebook()["cells"][which]["source"] + "\nx = = 1")
        assert len([line for line in messages(broken) if "parse" in line]) == 1


def test_an_interface_name_that_only_a_test_cell_binds():
    content = in_test("import math\n", "import math\nextra = 1\n")
    content["metadata"]["proctor"]["interface"].append("extra")
    found = messages(content)
    assert any("interface name `extra` is not bound" in line for line in found)
    assert any("binds `extra`" in line for line in found)


def test_every_solution_is_followed_by_its_check():
    other = SOLUTION.replace("double", "triple")
    given = code("def use(x):\n    return x", "given")
    between = notebook(given, solution(), solution(other, "q1_triple"), checking(), essay())
    assert any(line.startswith("cell q1_double: no test cell before the next") for line in messages(between))
    behind = notebook(given, solution(), checking(), solution(other, "q1_triple"), essay())
    assert any(line.startswith("cell q1_triple: no test cell after") for line in messages(behind))


def test_names_of_a_test_cell_are_not_there_afterwards():
    content = notebook()
    content["cells"].append(code("print(doubled(3.0))", "later"))
    assert any("`doubled` comes from test cell q1_values only" in line for line in messages(content))
    content["cells"].insert(0, code("def doubled(x):\n    return x", "own"))
    assert messages(content) == []


def test_interface_names_have_to_exist_and_be_names():
    assert any(
        "interface name `gone` is not bound" in line for line in messages(notebook(interface=("double", "use", "gone")))
    )
    assert any("must be a list of different Python names" in line for line in messages(notebook(interface="double")))
    assert any(
        "must be a list of different Python names" in line
        for line in messages(notebook(interface=("use", "use", "double")))
    )


def test_what_a_run_leaves_behind_and_attachments():
    content = notebook()
    content["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    content["cells"][1]["execution_count"] = 3
    content["cells"][3]["attachments"] = {"a.png": {"image/png": "aGVsbG8="}}
    found = messages(content)
    assert sum("has outputs or an execution count" in line for line in found) == 2
    assert any("has attachments (a.png)" in line for line in found)


def test_checks_do_not_stop_a_run_of_all_cells():
    content = notebook()
    del content["cells"][2]["metadata"]["tags"]
    assert any("give it the tag raises-exception" in line for line in messages(content))


def test_command_line(tmp_path, capsys):
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    help_text = "\n\n".join(["<details><summary>a</summary>\n\nb\n\n</details>"] * 2)
    given, answer, *checks = notebook()["cells"]
    checks[0]["source"] = f"# Check 1: twice a number\n{TEST}"
    checks[0]["metadata"]["jupyter"] = {"source_hidden": True}
    hinted = (given, answer, {"cell_type": "markdown", "id": "hints", "source": help_text, "metadata": {}}, *checks)
    good.write_text(json.dumps(notebook(*hinted)))
    assert main([str(good)]) == 0
    assert capsys.readouterr().out == ""
    bad.write_text(json.dumps(notebook(*hinted, points=4)))
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(f"{bad}: notebook: the cells have 3 points")
    bad.write_text("not json")
    assert main([str(tmp_path)]) == 2
    assert "bad.ipynb" in capsys.readouterr().err
    assert main([str(tmp_path / "missing.ipynb")]) == 2
