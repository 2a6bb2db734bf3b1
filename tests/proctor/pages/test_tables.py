"""Tables in HTML: data frames are tables on pages, and nothing else of a student's HTML is on them."""

import html
import re

import pandas
import pytest

from proctor.pages.markup import check_markup
from proctor.pages.sanitise import safe_outputs
from proctor.pages.tables import MAX_CELLS, table_html

FRAME = pandas.DataFrame(
    {"loss <b>": [0.5, 0.25], "name": ["<script>1</script>", "a & b"]}, index=pandas.Index(["one", "two"], name="run")
)


def tags(made: str) -> list[str]:
    return re.findall(r"<[^>]*>", made)


def test_a_data_frame_is_a_table_with_all_its_texts():
    made = table_html(FRAME._repr_html_())
    assert {re.sub(r"[^a-z]", "", one) for one in tags(made)} == {"table", "thead", "tbody", "tr", "th", "td"}
    words = html.unescape(re.sub(r"<[^>]*>", " ", made)).split()
    assert words == ["loss", "<b>", "name", "run", "one", "0.50", "<script>1</script>", "two", "0.25", "a", "&", "b"]


def test_a_frame_with_names_over_several_columns_keeps_them():
    frame = pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    assert 'colspan="2"' in table_html(frame.to_html())


def test_a_frame_that_was_cut_says_so():
    made = table_html(pandas.DataFrame({"a": range(100)})._repr_html_())
    assert made.endswith("100 rows \u00d7 1 columns<br>") or "100 rows \u00d7 1 columns" in made
    assert table_html("<div>Table 1</div><table><tr><td>1</td></tr></table>").startswith("Table 1<table>")


@pytest.mark.parametrize(
    "text",
    [
        "<table onclick='x()'><tr><td style='position:fixed' onmouseover=x>a</td></tr></table>",
        "<table><tr><td><script>alert(1)</script><style>b{}</style>a</td></tr></table>",
        "<table><tr><td><img src=x onerror=alert(1)>a<a href='javascript:x'>b</a></td></tr></table>",
        "</div></body><table><tr><td>a</div></table></td></tr></table></html>",
        "<table><tr><td colspan='1\" onclick=\"x' rowspan='-1'>a</td></tr>",
        "<table><iframe src='x'></iframe><tr><td><svg onload=x><path/></svg>a<form><input></form>",
        "<table><tr><td><div class='proctor-note'>a</div></td></tr></table><!-- <script> --><![CDATA[<script>]]>",
        "<table " + "<table" * 50 + "><td>a",
        "<table>" * 3_000 + "a",
    ],
)
def test_of_other_markup_only_the_text_stays(text):
    made = table_html(text)
    check_markup(made)
    assert all(re.fullmatch(r'</?(table|tr|td|br)( (col|row)span="\d+")?>', one) for one in tags(made)), tags(made)
    assert made.count("<table>") == made.count("</table>")
    assert made.count("<td") == made.count("</td>")
    assert "a" in re.sub(r"<[^>]*>", "", made)


def test_what_is_no_table_or_too_large_is_none():
    assert table_html("<b>text</b>") is None
    assert table_html("") is None
    assert table_html("<table>" + "<tr><td>1</td></tr>" * (MAX_CELLS + 1) + "</table>") is None
    # A browser makes place for each of these columns.
    assert table_html("<table><tr>" + "<td colspan='1000'>1</td>" * 30 + "</tr></table>") is None


def test_an_output_has_its_table_and_its_text():
    data = {"text/html": FRAME._repr_html_(), "text/plain": "frame"}
    (output,) = safe_outputs([{"output_type": "execute_result", "data": data, "metadata": {}}])
    assert output["data"]["text/html"].startswith("<table>")
    assert output["data"]["text/plain"] == "frame"
    data = {"text/html": "<b>no table</b>", "text/plain": "text"}
    (output,) = safe_outputs([{"output_type": "display_data", "data": data, "metadata": {}}])
    assert output["data"] == {"text/plain": "text"}
