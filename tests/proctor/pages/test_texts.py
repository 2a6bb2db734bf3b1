"""Texts of the staff, drawn in the child one by one."""

from proctor.pages.drawer import drawer
from proctor.pages.limits import PageLimits


def test_texts_are_drawn_and_one_that_could_run_is_text(tmp_path):
    texts = ["*a* $x^2$", "<script>alert(1)</script>", "<b onclick='x()'>b</b>", ""]
    drawn = drawer(PageLimits()).do("texts", texts=texts, folder=str(tmp_path))
    assert "<em>a</em>" in drawn[0]
    assert "<msup>" in drawn[0]
    assert drawn[1] == "<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>"
    assert "&lt;b onclick" in drawn[2]
    assert drawn[3].strip() == ""
