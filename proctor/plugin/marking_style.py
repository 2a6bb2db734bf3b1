"""The style of the panels with marking schemes, and of the page with one answer: the answer beside its panel."""

STYLE = """
.proctor-marking { border: 1px solid #31708f; border-radius: 4px; margin: 1em 0; padding: 0.6em 0.9em;
  background: #fff; }
.proctor-marking .head { display: flex; justify-content: space-between; gap: 1em; font-weight: bold; }
.proctor-marking .over { color: #a94442; }
.proctor-marking summary { cursor: pointer; font-weight: bold; display: list-item; }
.proctor-marking details { margin: 0.4em 0; }
.proctor-marking details > div { border-left: 3px solid #ccc; padding-left: 0.8em; }
.proctor-marking button.item { display: flex; gap: 0.6em; width: 100%; text-align: left; border: 1px solid #ccc;
  background: #fff; border-radius: 4px; padding: 0.25em 0.6em; margin-top: 0.3em; }
.proctor-marking button.item.line { margin-left: 2.6em; width: calc(100% - 2.6em); border-style: dashed; }
.proctor-marking button.item[aria-pressed=true] { background: #dff0d8; border-color: #3c763d; border-style: solid;
  box-shadow: inset 4px 0 0 #3c763d; }
.proctor-marking button.item.deduction[aria-pressed=true] { background: #f2dede; border-color: #a94442; }
.proctor-marking kbd { background: #555; white-space: nowrap; align-self: flex-start; }
.proctor-marking .points { font-weight: bold; min-width: 2em; }
.proctor-marking p { margin: 0 0 0.2em; }
.proctor-marking .offered button { display: block; margin-top: 0.2em; white-space: normal; text-align: left;
  width: 100%; }
.proctor-marking .said { min-height: 1.4em; margin-top: 0.4em; }
.proctor-marking.active { box-shadow: 0 0 0 2px #31708f; }
.proctor-marking table { border-collapse: collapse; } .proctor-marking td, .proctor-marking th { padding: 0.2em 0.6em;
  border: 1px solid #ccc; }
.proctor-marking img { max-width: 100%; }
body.proctor-one .container { width: 98%; max-width: none; }
body.proctor-one .input_area { max-height: 9em; overflow: auto; }
@media (min-width: 1100px) {
  body.proctor-one > .container { width: 57%; margin-left: 1%; padding: 0; }
  body.proctor-one .proctor-marking { position: fixed; right: 1%; top: 60px; bottom: 10px; width: 40%; overflow: auto;
    margin: 0; z-index: 5; }
}
"""
