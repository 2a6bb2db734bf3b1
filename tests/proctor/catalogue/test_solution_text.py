"""The text of a solution cell: which lines may be changed, and how."""

import ast

from proctor.catalogue.solution_text import SolutionText

CELL = """class Layer:
    def __init__(self, n):
        ### BEGIN SOLUTION
        self.n = n  # not a "#"
        ### END SOLUTION

    def forward(self, x):
        x = x + 1
        ### BEGIN SOLUTION
        note = "# é"
        return f"{x}", (x + self.n)  # an é
        ### END SOLUTION"""


def test_markers_and_comments_are_gone_and_lines_know_their_place_in_the_cell():
    cell = SolutionText(CELL)
    assert "SOLUTION" not in cell.text
    assert "an é" not in cell.text
    assert '"# é"' in cell.text
    lines = cell.text.split("\n")
    assert [lines[number - 1].strip() for number in sorted(cell.lines)] == [
        "self.n = n",
        'note = "# é"',
        'return f"{x}", (x + self.n)',
    ]
    assert [cell.line_in_cell(number) for number in sorted(cell.lines)] == [4, 10, 11]


def test_only_the_solution_is_offered():
    cell = SolutionText(CELL)
    assert [function.name for function in cell.functions()] == ["__init__", "forward"]
    assert [cell.segment(node) for node in cell.nodes(ast.Assign)] == ["self.n = n", 'note = "# é"']
    # An f-string is left alone: in Python 3.11 nobody knows where its parts stand.
    assert [cell.segment(node) for node in cell.expressions(ast.Name)] == ["self", "n", "x", "self"]
    assert [[cell.segment(one) for one in block] for block in cell.blocks()][0] == ["self.n = n"]
    whole = SolutionText("x = 1\ny = 2")
    assert whole.lines == {1, 2}


def test_texts_are_replaced_by_place_and_put_in_with_the_indentation():
    cell = SolutionText(CELL)
    (total,) = cell.expressions(ast.BinOp)
    assert cell.operand(total) == "(x + self.n)"
    assert 'return f"{x}", (0)' in cell.replaced((total, "0"))
    assert 'return f"{x}", (y + 1)' in cell.replaced((total.left, "y"), (total.right, "1"))
    line = cell.text.split("\n").index('        note = "# é"') + 1
    assert '        first()\n        note = "# é"' in cell.inserted(line, ["first()"])
    assert cell.function_of(total).name == "forward"
