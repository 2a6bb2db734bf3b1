import json

import nbformat
from traitlets.config import Config

from proctor.pages.limits import PageLimits
from proctor.pages.page import draw_page, empty_page

NOTEBOOK = json.dumps(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("*a*")]))


def page(notebook: str = NOTEBOOK, resources=None, config=None, **options):
    made = {"scripts": False, "preprocess": False, "instead": "Ask & wait.", **options}
    return draw_page("title", notebook, resources or {}, config or {}, PageLimits(), **made)


def test_a_page_with_what_a_child_can_be_given_of_configuration_and_resources():
    config = Config()
    config.HTMLExporter.template_name = "classic"
    config.HTMLExporter.anchor_link_text = "here"
    config.HTMLExporter.filters = {"x": print}
    config.Other.value = print
    made = page(config=config, resources={"function": print, "metadata": {"name": "n"}})
    assert made.drawn
    assert made.notes == []
    assert "<em>a</em>" in made.html
    assert 'id="notebook-container"' in made.html


def test_a_notebook_that_is_none_gives_a_page_that_says_what_to_do():
    made = page("no JSON")
    assert not made.drawn
    assert made.html == empty_page("title", "Ask & wait.")
    assert "Ask &amp; wait." in made.html
    assert "could not be drawn: " in made.notes[0]
