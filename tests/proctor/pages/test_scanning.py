"""What is a formula in a text, as notebooks in a browser find it, and what only looks like one."""

import pytest

from proctor.pages.scanning import FORMULA, PICTURE, TEXT, scanned


def pieces(text: str, students: bool = True, attachments=()) -> list[tuple[str, str]]:
    return [(one.kind, one.source) for one in scanned(text, students, attachments).pieces]


def formulas(text: str) -> list[str]:
    return [source for kind, source in pieces(text) if kind == FORMULA]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$x$ and $$y$$", ["$x$", "$$y$$"]),
        ("the $k$th of 5$\\times$5", ["$k$", "$\\times$"]),
        ("$ a < b $ and $ x $", ["$ a < b $", "$ x $"]),
        ("$a \\$ b$", ["$a \\$ b$"]),
        ("$$c &< d \\\\$$ x", ["$$c &< d \\\\$$"]),
        ("$\\text{all of these words here}$", ["$\\text{all of these words here}$"]),
        ("\\begin{align*}a\\end{align*}", ["\\begin{align*}a\\end{align*}"]),
        (
            "\\begin{equation}\\begin{aligned}a\\end{aligned}\\end{equation}",
            ["\\begin{equation}\\begin{aligned}a\\end{aligned}\\end{equation}"],
        ),
        ("\\(x\\) \\\\(y\\\\)", ["\\(x\\)", "\\\\(y\\\\)"]),
        ("\\[\nx\n\\]\n\n- \\[y\\]", ["\\[\nx\n\\]", "\\[y\\]"]),
        ("`$x$` ``a`$y$`` $z$", ["$z$"]),
        ("```\n$x$\n```\n$y$", ["$y$"]),
        ("- ~~~\n  $x$\n  ~~~\n- $y$", ["$y$"]),
        ("```\n$x$", []),
        ("``` not `a fence` $x$", ["$x$"]),
        ("costs $5 and $6", []),
        ("US$5 or US$7", []),
        ("$5, $6 or 7$", []),
        ("$5-$10", []),
        ("`a $5` and 6$", []),
        ("a \\$ b $", []),
        ("$x\n\ny$", []),
        ("$$x\n\ny$$", []),
        ("$$", []),
        ("$HOME and $PATH", []),
        ("an escaped \\[1\\] bracket", []),
        ("[x](https://example.org/$a$b)", []),
    ],
)
def test_formulas_are_those_of_the_notebook(text, found):
    assert formulas(text) == found


def test_a_formula_in_a_quote_has_no_marks_of_the_quote():
    (piece,) = scanned("> $$\n> a > b\n> c\n> $$", True).pieces
    assert piece.tex.split() == ["a", ">", "b", "c"]


def test_what_is_no_harmless_link_is_text():
    assert pieces("x[i](j) [a](javascript:x) [b](https://example.org)") == [(TEXT, "]("), (TEXT, "](")]
    assert pieces("x[i](j)", students=False) == []


def test_pictures_are_of_students_texts():
    text = "![a](b.png) ![](<c d.png>) <img src='e.png'> `![](f.png)`"
    assert [source for kind, source in pieces(text) if kind == PICTURE] == [
        "![a](b.png)",
        "![](<c d.png>)",
        "<img src='e.png'>",
    ]
    assert pieces(text, students=False) == []


def test_pictures_by_name_and_pictures_within_the_text():
    # As exports of other editors write them; the lines with their addresses stay text.
    lines = '[fig 1]: my%20figs/f.png "title"\n[two]: <b c.png>\n'
    found = scanned(f"![one][Fig 1] ![][fig  1] ![two] ![three][none] ![four]\n\n{lines}", True)
    assert [(piece.source, piece.address, piece.words) for piece in found.pieces] == [
        ("![one][Fig 1]", "my figs/f.png", "one"),
        ("![][fig  1]", "my figs/f.png", ""),
        ("![two]", "b c.png", "two"),
    ]
    assert "[fig 1]: my%20figs/f.png" in found.text
    long = f"data:image/png;base64,{'A' * 100_000}"
    for text in (f"![]({long})", f"![](<{long}>)", f'<img width=3 src="{long}">', f"![][a]\n\n[a]: <{long}>"):
        assert [piece.address for piece in scanned(text, True).pieces] == [long]


def test_what_was_taken_out_can_be_put_back():
    text = "a $x$ ![b](c) [d](e) \ue000 `$f$`"
    found = scanned(text, True)
    assert found.mark not in text
    assert "$x$" not in found.text
    assert found.restored(found.text) == text


def test_a_text_of_all_private_characters_can_not_be_marked():
    with pytest.raises(ValueError, match="private"):
        scanned("".join(map(chr, range(0xE000, 0xF900))), True)
