"""The template of a student's page for nbconvert: the summary, and under it the notebook with its checks folded.

It reads what `proctor.plugin.page_grades` puts into the metadata of each cell under `KEY`, and nothing else of ours.
"""

from __future__ import annotations

import json
from pathlib import Path

from traitlets.config import Config

from proctor.pages.style import STYLE

KEY = "proctor_page"
SUMMARY, TITLE = "proctor_summary", "proctor_title"
# In the head of a page, before anything of a student's: how much it shows of what is hidden.
REVEALED = "proctor-reveal"
_NAME = "proctor_feedback"
_CONF = {"base_template": "classic", "mimetypes": {"text/html": True}}
_TEMPLATE = (
    """{%- extends 'base.html.j2' -%}

{%- block header -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="proctor-reveal" content="{{ (resources.nbgrader.proctor_reveal or "kind") | escape_html }}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{{ resources.nbgrader.notebook | escape_html }}: feedback</title>
<style>"""
    + STYLE
    + """</style>
</head>
{%- endblock header -%}

{%- block body %}
<body>
<a class="skip" href="#notebook">To the notebook</a>
<header><h1 id="top">{{ (resources.nbgrader.proctor_title or resources.nbgrader.notebook) | escape_html }}</h1></header>
<main>
{{ resources.nbgrader.proctor_summary }}
<section id="notebook" aria-labelledby="of-notebook">
<h2 id="of-notebook">Your notebook</h2>
<p class="quiet">Checks that passed, and demos, are folded: click on one to open it.</p>
{{ super() }}
</section>
</main>
</body>
{%- endblock body %}

{%- block footer %}
</html>
{% endblock footer -%}

{% macro up() %}<a class="up quiet" href="#top">to the top</a>{% endmacro %}

{% macro state(ours) %}<span class="state">{{ ours.sign }} {{ ours.words }}</span>
{%- if ours.points %} · {{ ours.points }}{% endif %}{% endmacro %}

{% macro folded(what, text) %}
<details><summary>{{ what }}</summary><div class="source"><pre>{{ text | escape_html }}</pre></div></details>
{% endmacro %}

{% macro behind(ours) %}
{{ ours.like }}
{% if ours.hidden %}{{ folded("The hidden part of this check", ours.hidden) }}{% endif %}
{% if ours.staff %}{{ folded("All that is known of this failure", ours.staff) }}{% endif %}
{% if ours.model %}{{ folded("A model answer", ours.model) }}{% endif %}
{% endmacro %}

{% macro said(ours) %}{% if ours.text %}<pre class="said">{{ ours.text | escape_html }}</pre>{% endif %}{% endmacro %}

{% macro comment(cell) %}
{%- if cell.metadata.nbgrader and cell.metadata.nbgrader.comment -%}
<div class="comment"><b>Comment:</b> {{ cell.metadata.nbgrader.comment | markdown2html | strip_files_prefix }}</div>
{%- endif -%}
{% endmacro %}

{% block codecell %}
{%- set ours = cell.metadata.proctor_page or {} -%}
{%- if ours.kind == "check" and ours.class == "passed" -%}
<details class="box check passed" id="cell-{{ ours.cell | escape_html }}">
<summary>{{ state(ours) }} <span class="quiet">{{ ours.label | escape_html }}</span></summary>
{{ said(ours) }}{{ super() }}{{ behind(ours) }}{{ comment(cell) }}
</details>
{%- elif ours.kind == "check" -%}
<div class="box check {{ ours.class }}" id="cell-{{ ours.cell | escape_html }}">
<div class="head"><span>{{ state(ours) }} <span class="quiet">{{ ours.label | escape_html }}</span></span>
{{ up() }}</div>
{{ said(ours) }}{{ behind(ours) }}
<details><summary>The check itself</summary>{{ super() }}</details>{{ comment(cell) }}
</div>
{%- elif ours.kind == "demo" -%}
<details class="box demo"><summary class="quiet">A demo, not run while grading</summary>{{ super() }}</details>
{%- elif ours.kind == "answer" -%}
<div class="box answer {{ ours.class }}" id="cell-{{ ours.cell | escape_html }}">
<div class="head"><span><b>Your answer</b>{% if ours.words %} · {{ state(ours) }}{% endif %}
<span class="quiet">{{ ours.label | escape_html }}</span></span>{{ up() }}</div>
{{ super() }}{{ behind(ours) }}{{ comment(cell) }}
</div>
{%- else -%}
{{ super() }}
{%- endif -%}
{% endblock codecell %}

{% block input %}
<div class="input_area">{{ cell.source | highlight_code(metadata=cell.metadata) }}</div>
{% endblock input %}

{% block output_group %}
{%- if (cell.metadata.proctor_page or {}).kind not in ("check", "demo") -%}{{ super() }}{%- endif -%}
{% endblock output_group %}

{% block markdowncell scoped %}
{%- set ours = cell.metadata.proctor_page or {} -%}
{%- if ours.kind == "answer" -%}
<div class="box answer {{ ours.class }}" id="cell-{{ ours.cell | escape_html }}">
<div class="head"><span><b>Your answer</b>{% if ours.words %} · {{ state(ours) }}{% endif %}
<span class="quiet">{{ ours.label | escape_html }}{% if ours.count %} · {{ ours.count }}{% endif %}</span></span>
{{ up() }}</div>
<div class="cell rendered_html">{{ cell.source | markdown2html | strip_files_prefix | below_the_page }}</div>
{{ behind(ours) }}{{ comment(cell) }}
</div>
{%- else -%}
<div class="cell rendered_html">{{ cell.source | markdown2html | strip_files_prefix | below_the_page }}</div>
{%- endif -%}
{% endblock markdowncell %}

{% macro picture(kind, data) %}<img src="data:{{ kind }};base64,{{ data | escape_html }}" alt="picture drawn by the
code above"/>{% endmacro %}

{% block data_png scoped %}
<div class="output_png">{{ picture("image/png", output.data["image/png"]) }}</div>
{% endblock data_png %}

{% block data_jpg scoped %}
<div class="output_jpeg">{{ picture("image/jpeg", output.data["image/jpeg"]) }}</div>
{% endblock data_jpg %}
"""
)


def write_template(folder: Path) -> Config:
    """Write the template of a student's page.

    Args:
        folder: where to write it.

    Returns:
        Configuration of an exporter by which the template is found.
    """
    own = folder / _NAME
    own.mkdir()
    (own / "index.html.j2").write_text(_TEMPLATE, encoding="utf-8")
    (own / "conf.json").write_text(json.dumps(_CONF), encoding="utf-8")
    made = {"template_name": _NAME, "extra_template_basedirs": [str(folder)]}
    made |= {"exclude_input_prompt": True, "exclude_output_prompt": True, "exclude_anchor_links": True}
    return Config({"HTMLExporter": made})
