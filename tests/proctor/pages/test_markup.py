import pytest

from proctor.pages.attempts import UnsafeMarkup
from proctor.pages.markup import Highlighter, Renderer, check_markup, markdown_html


def html(text: str) -> str:
    return markdown_html(text, Renderer(escape=False))


@pytest.mark.parametrize(
    "made",
    [
        "<script>1</script>",
        "<p onclick='x()'>",
        "<mtext\nONMOUSEOVER=x>",
        "<a href='java\nscript:x'>",
        "<a href='&#106;avascript:x'>",
        "<a href='\x01javascript:x'>",
        "<a href='data:image/svg+xml,<svg onload=x>'>",
        "<math><mi xlink:href='javascript:x'>",
        "<img src='data:text/html,x'>",
        "<iframe>",
        "<form action='/'>",
        "<base href='//evil.example/'>",
        "<meta http-equiv='refresh' content='0'>",
        "<b data-link='/tree'>",
        "<b data-toggle='tooltip' data-html='true' title='<img>'>",
        "<object data='x'>",
        "<link rel='stylesheet' href='//evil.example'>",
    ],
)
def test_markup_that_could_run_is_refused(made):
    with pytest.raises(UnsafeMarkup):
        check_markup(f"<p>before</p>{made} after")


@pytest.mark.parametrize(
    "made",
    [
        "<a href='https://example.org/a:b'>x</a><a href='#top'>x</a><a href='mailto:a@b'>x</a>",
        "<img src='figures/a.svg'><img src='data:image/png;base64,aa'>",
        "<details><summary>a</summary><table style='x'><tr><td>b</td></tr></table></details>",
        "&lt;script&gt; on = 1 javascript:x",
    ],
)
def test_ordinary_markup_is_not(made):
    check_markup(made)


def test_a_fence_chooses_from_a_short_list():
    assert 'class="highlight"' in html("```python\nx = 1\n```")
    for word in ("easytrieve", "c++", "html+jinja", "mermaid", "no such language"):
        made = html(f"```{word}\nx < 1 <b>\n```")
        assert 'class="highlight"' not in made
        assert "mermaid" not in made.split(">")[0]
        assert "x &lt; 1" in made


def test_a_magic_chooses_from_it_too():
    highlighter = Highlighter()
    assert highlighter("%%x\nif 1", metadata={"magics_language": "easytrieve"}) == highlighter("%%x\nif 1")
    assert highlighter("%%x\nif 1", metadata={"magics_language": "bash"}) != highlighter("%%x\nif 1")


def test_formulas_of_staff_are_mathml_in_their_html_too():
    for text in ("$x$", "<div>\n\n$x$</div>", "a <b>$x$</b>", "<p>$x$</p>"):
        assert "<mi>x</mi>" in html(text)
        assert "$</span>" not in html(text)
