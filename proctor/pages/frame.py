"""What stands around the cells of a page: its style, its policy, and nothing from the web."""

from __future__ import annotations

# No scripts, and nothing from anywhere else: pages are read without a network. Figures lie beside the page.
POLICY = (
    "default-src 'none'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "img-src 'self' data: file:; style-src 'unsafe-inline'"
)
_META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
# In place of nbconvert's macro, which loads MathJax from the web.
NO_MATHJAX = "{%- macro mathjax(url='') -%}{%- endmacro -%}"
# The formgrader's scripts wait for MathJax before they choose a field; without it they stop before they know any key.
STANDS_FOR_MATHJAX = """{%- macro mathjax(url='') -%}
<script>
window.MathJax = {Hub: {
  Config: function () {}, Queue: function () {},
  Startup: {signal: {Interest: function (wait) { setTimeout(function () { wait("End"); }, 0); }}}
}};
</script>
{%- endmacro -%}"""
# nbgrader frames pictures in red; nbconvert's style is for tables of other classes; browsers know less of MathML.
_STYLE = """<style>
#notebook img, .rendered_html img, div.output img { border: none; max-width: 100%; height: auto; }
.rendered_html table, .proctor-table table, div.output_html table {
  border-collapse: collapse; margin: 0.6em 0; display: block; max-width: 100%; overflow-x: auto; width: auto; }
.rendered_html th, .rendered_html td, .proctor-table th, .proctor-table td, div.output_html th, div.output_html td {
  padding: 0.25em 0.7em; border: 1px solid var(--proctor-line, #cccccc); text-align: left; vertical-align: top; }
.proctor-table th, .proctor-table td, div.output_html th, div.output_html td { text-align: right; }
.proctor-table th, .rendered_html th, div.output_html th { font-weight: bold;
  background: var(--proctor-head, #f5f5f5); }
div.output pre, div.output_area pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.proctor-aside { overflow-wrap: anywhere; }
.rendered_html { overflow-wrap: break-word; }
.rendered_html :not(pre) > code { white-space: pre-wrap; }
math { font-size: 1.1em; }
math[display="block"] { margin: 0.6em 0; overflow-x: auto; }
math mtd { padding: 0.2em 0.4em; }
math mtd[columnalign="right"] { text-align: right; padding-right: 0; }
math mtd[columnalign="left"] { text-align: left; }
math mtd[columnalign="right"] + mtd[columnalign="left"] { padding-left: 0; }
math mtable[columnlines~="solid"] mtd + mtd { border-left: 1px solid; }
math mtable[rowlines~="solid"] mtr + mtr mtd { border-top: 1px solid; }
math [mathvariant="bold"], math [mathvariant="bold-italic"] { font-weight: bold; }
math [mathvariant="monospace"] { font-family: monospace; }
math menclose[notation~="box"] { border: 1px solid; padding: 0.2em; }
math menclose[notation~="updiagonalstrike"], math menclose[notation~="horizontalstrike"],
math menclose[notation~="downdiagonalstrike"] {
  background: linear-gradient(to top right, transparent 46%, currentColor 46%, currentColor 54%, transparent 54%); }
.proctor-note { border: 1px solid var(--proctor-edge, #8a6d3b); background: var(--proctor-note, #fcf8e3);
  padding: 0.4em; margin: 0.3em 0; }
.proctor-note pre { background: none; border: none; white-space: pre-wrap; }
.proctor-aside { color: var(--proctor-aside, #767676); font-size: 90%; margin: 0.3em 0; }
.proctor-tex, .proctor-refused { border-bottom: 2px dotted var(--proctor-edge, #8a6d3b);
  background: var(--proctor-note, #fcf8e3); color: inherit; }
.proctor-tex { white-space: pre-wrap; }
</style>
"""


def framed(page: str, scripts: bool) -> str:
    """A drawn page with its style and its policy.

    Args:
        scripts: whether scripts may run in it; then it is for whoever serves it to say which.
    """
    head, end, body = page.partition("</head>")
    if not scripts:
        head = head.replace("<head>", f"<head>\n{_META}", 1)
    return f"{head}{_STYLE}{end}{body}"
