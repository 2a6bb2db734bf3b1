"""Pictures of the notebooks in Chromium, under the kit's style sheet: dark on a dark page, light on a light one."""

import base64
import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from dl1.notebook.dark_theme import SHEET

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium"),
]
FIGURES = sorted((Path(__file__).resolve().parents[2] / "source").rglob("figures/*.svg"))
PAGE = """
<style>{sheet}</style><body data-jp-theme-light="{light}">
<div class="jp-RenderedMarkdown">{figures}</div>
<div class="dl1-drawing" style="background:#fff;width:300px;height:50px"></div>
<div class="jp-RenderedImage"><img src="data:image/png;base64,{white}"></div>
"""


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ground_of_a_picture_is_as_bright_as_the_page(browser, tmp_path, theme, system):
    """JupyterLab's theme decides, whatever that of the system is."""
    figures = "".join(f'<img width="200" src="{figure.as_uri()}">' for figure in FIGURES)
    page_file = tmp_path / "page.html"
    white = io.BytesIO()
    Image.new("RGB", (99, 9), "white").save(white, "PNG")
    white = base64.b64encode(white.getvalue()).decode()
    text = PAGE.format(white=white, sheet=SHEET.read_text(), light=str(theme == "light").lower(), figures=figures)
    page_file.write_text(text, encoding="utf-8")
    page = browser.new_page(color_scheme=system)
    page.goto(page_file.as_uri())
    places = page.evaluate(
        "[...document.querySelectorAll('img, .dl1-drawing')].map(one => one.getBoundingClientRect())"
        ".map(one => [one.left + 3, one.top + 3])"
    )
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as taken:
        picture = taken.convert("RGB")
    page.close()
    *figures_and_drawing, photograph = [sum(picture.getpixel((round(x), round(y)))) / 3 for x, y in places]
    assert len(figures_and_drawing) == len(FIGURES) + 1
    if theme == "light":
        assert min(*figures_and_drawing, photograph) > 240
    else:
        assert max(figures_and_drawing) < 40
        # A photograph would be wrong the other way round, so it is only less bright.
        assert 150 < photograph < 200
