"""How a student's pages look: light and dark, narrow and wide, on a screen and on paper.

Colours stand in variables, with a contrast of 4.5 and more in both themes; nothing is told by colour alone.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f6f7f8; --text: #1b1f24; --quiet: #57606a; --line: #d0d5da; --link: #0b57b0;
  --good: #17622f; --good-ground: #edf7f0; --bad: #a3161f; --bad-ground: #fdf0f0;
  --open: #6b4a00; --open-ground: #fff7e0; --word: #7a1f8f; --string: #17622f; --number: #8a3b00;
  --proctor-line: #d0d5da; --proctor-head: #f6f7f8; --proctor-note: #fff7e0; --proctor-edge: #8a6d3b;
  --proctor-aside: #57606a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #15181c; --raised: #1f2429; --text: #e4e7ea; --quiet: #a8b1ba; --line: #3b434b; --link: #8cbcff;
    --good: #7fd69a; --good-ground: #17271d; --bad: #ff9f9a; --bad-ground: #2e1a1b;
    --open: #f0cb7a; --open-ground: #2a2313; --word: #d8a6e8; --string: #9fd6a9; --number: #f0b27a;
    --proctor-line: #3b434b; --proctor-head: #1f2429; --proctor-note: #2a2313; --proctor-edge: #b08d4a;
    --proctor-aside: #a8b1ba;
  }
  .output_png img, .output_jpeg img, .rendered_html img { background: #ffffff; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.2rem 0; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 1.8rem 0 0.6rem; }
h3 { font-size: 1.1rem; margin: 1.4rem 0 0.4rem; }
h4, h5, h6 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
p, ul, ol, dl { margin: 0.5rem 0; }
code, pre, .digest { font-family: ui-monospace, "SFMono-Regular", "Liberation Mono", Menlo, monospace; }
pre { font-size: 0.86rem; line-height: 1.45; white-space: pre-wrap; margin: 0; }
code { font-size: 0.92em; }
img { max-width: 100%; height: auto; }
.quiet { color: var(--quiet); font-size: 0.92rem; }
.digest { font-size: 0.8rem; }
.total { font-size: 1.15rem; }
.summary { border: 1px solid var(--line); border-radius: 0.5rem; background: var(--raised); }
.summary { padding: 0.2rem 1rem 0.8rem; }
.summary h2 { margin-top: 0.8rem; }
.questions { list-style: none; padding: 0; }
.questions > li {
  border-left: 0.35rem solid var(--line); padding: 0.45rem 0.2rem 0.45rem 0.8rem; margin: 0.35rem 0;
  background: var(--ground); border-radius: 0 0.3rem 0.3rem 0;
}
.questions .points { font-weight: 600; white-space: nowrap; }
.questions ul { margin: 0.2rem 0 0; padding-left: 1.1rem; }
.questions > .passed, .questions > .read { border-left-color: var(--good); }
.questions > .failed { border-left: 0.35rem double var(--bad); }
.questions > .open { border-left: 0.35rem dotted var(--open); }
.passed .state, .read .state { color: var(--good); }
.failed .state { color: var(--bad); }
.open .state { color: var(--open); }
.like { margin: 0.3rem 0; padding: 0.4rem 0.7rem; border: 1px solid var(--open); background: var(--open-ground); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; }
dl.facts dt { font-weight: 600; }
dl.facts dd { margin: 0; }
.cell { margin: 0.8rem 0; }
.input_area, .output_text pre, .source pre { padding: 0.5rem 0.7rem; }
.input_area, .source { background: var(--raised); border: 1px solid var(--line); border-radius: 0.3rem; }
.output_wrapper { margin: 0.2rem 0 0.2rem 0.9rem; }
.output_error pre, .output_stderr pre { border-left: 0.25rem solid var(--bad); }
.output_area span[style] { color: inherit !important; background: none !important; }
.box { border: 1px solid var(--line); border-radius: 0.4rem; margin: 1rem 0; padding: 0 0.8rem; }
.box > summary, .box > .head { padding: 0.45rem 0; }
.box > .head { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; justify-content: space-between; }
.box .state, .questions .state { font-weight: 600; }
.box pre.said { padding: 0 0 0.6rem; font-size: 0.9rem; }
.box details { margin: 0 0 0.6rem; }
summary { cursor: pointer; }
.check.passed, .answer.read { border-color: var(--good); }
.check.passed > summary { color: var(--good); }
.check.failed { border: 2px solid var(--bad); border-left-width: 0.5rem; background: var(--bad-ground); }
.check.open, .answer.open { border: 2px dashed var(--open); background: var(--open-ground); }
.answer .cell { margin: 0.3rem 0; }
.comment { border-top: 1px solid var(--line); padding: 0.3rem 0; }
table { border-collapse: collapse; }
td, th { overflow-wrap: normal; }
.proctor-table, .proctor-wide { overflow-x: auto; }
.proctor-table table, .proctor-wide table { display: table !important; }
blockquote { margin: 0.6rem 0; padding-left: 0.8rem; border-left: 0.25rem solid var(--line); color: var(--quiet); }
hr { border: 0; border-top: 1px solid var(--line); }
.highlight .k, .highlight .kn, .highlight .kc, .highlight .kd, .highlight .kr, .highlight .ow { color: var(--word); }
.highlight .c, .highlight .c1, .highlight .cm, .highlight .ch, .highlight .sd { color: var(--quiet); }
.highlight .s, .highlight .s1, .highlight .s2, .highlight .sa, .highlight .si { color: var(--string); }
.highlight .m, .highlight .mi, .highlight .mf, .highlight .mh { color: var(--number); }
.highlight .nf, .highlight .nc { color: var(--link); }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--bad); }
.ansi-green-fg, .ansi-green-intense-fg { color: var(--good); }
.ansi-yellow-fg, .ansi-yellow-intense-fg { color: var(--open); }
.ansi-blue-fg, .ansi-blue-intense-fg, .ansi-cyan-fg, .ansi-cyan-intense-fg { color: var(--link); }
.ansi-magenta-fg, .ansi-magenta-intense-fg { color: var(--word); }
.ansi-bold { font-weight: bold; }
@media (max-width: 30rem) {
  body { padding: 0.6rem; }
  .summary { padding: 0.1rem 0.6rem 0.6rem; }
  dl.facts { grid-template-columns: 1fr; }
  dl.facts dd { margin-bottom: 0.4rem; }
  .output_wrapper { margin-left: 0; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .skip, .up { display: none; }
  a { color: inherit; }
  .box, .output_area, .questions > li { break-inside: avoid-page; }
  h1, h2, h3, h4 { break-after: avoid-page; }
}
"""
