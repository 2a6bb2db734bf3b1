"""The summary on a page and the list of pages: every text is escaped, and each thing is told in words."""

import re
from dataclasses import replace

from proctor.pages.report import (
    FAILED,
    NOT_JUDGED,
    PASSED,
    WAITING,
    WORDS,
    Mistake,
    NotebookReport,
    Part,
    Question,
    Report,
)
from proctor.pages.report_html import index_html, like_html, said_html, summary_html, with_list

EVIL = "<script>alert(1)</script>"
WRONG = Part("q2_6_query", FAILED, 0.0, 2.0, "turned queries — wrong value", (Mistake("halves", "turn neighbours"),))
QUESTIONS = (
    Question("2.1 (a)", "Attention", (Part("q2_1a", WAITING, None, 4.0),)),
    Question("2.6", "RoPE", (Part("q2_6_key", PASSED, 2.0, 2.0), WRONG)),
    Question("2.7", "Training", (Part("q2_7", NOT_JUDGED, None, 1.0),)),
)
NOTEBOOK = NotebookReport("2a", "Part 2a", QUESTIONS, 0.5, ("cell 4 was stopped",), "ab" * 32)
REPORT = Report("hw", "ada", "2026-03-01 12:07 UTC", "2026-03-01 12:00 UTC", 420.0, "that costs nothing", (NOTEBOOK,))


def plain(made: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", made).split())


def test_the_summary_says_question_by_question_what_there_is():
    text = plain(summary_html(REPORT, NOTEBOOK))
    for said in (
        "1.5 of 4 points so far, 9 in all; 1 answer waits for a TA, 1 check was not judged; a TA will look.",
        "2.1 (a) Attention: 4 points open · waiting for a TA",
        "2.6 RoPE: 2 of 4 · in part",
        "turned queries — wrong value What went wrong looks like this: turn neighbours (halves)",
        "2.7 Training: 1 point open · not judged; a TA will look",
        "cell 4 was stopped",
        "7 minutes (due 2026-03-01 12:00 UTC); that costs nothing",
        "0.5 points, of the points as they are now",
        "ab" * 32,
    ):
        assert said in text
    assert "0 of 4" not in text
    assert 'href="#cell-q2_6_query"' in summary_html(REPORT, NOTEBOOK)


def test_no_text_is_markup():
    mistake = Mistake(EVIL, EVIL)
    part = Part(f'q"{EVIL}', FAILED, 0.0, 1.0, EVIL, (mistake, mistake))
    notebook = NotebookReport(f'"{EVIL}', EVIL, (Question(EVIL, EVIL, (part,)),), 0.5, (EVIL,), EVIL)
    report = Report(EVIL, EVIL, EVIL, EVIL, 60.0, EVIL, (notebook,))
    made = [summary_html(report, notebook), index_html(report, {notebook.name}), like_html(part)]
    made += [said_html(EVIL, EVIL, "")]
    for one in made:
        assert "<script" not in one
        assert "alert(1)" in one or "alert%281%29" in one
        assert not re.search(r"<[^>]+=\"[^\"]*<", one)
    assert "one of these" in made[0]


def test_the_list_of_pages_links_those_that_are_there():
    other = NotebookReport("2b", "", (), digest="")
    made = index_html(Report("hw", "ada", notebooks=(NOTEBOOK, other)), {"2a"})
    assert '<a href="2a.html">Part 2a</a>' in made
    assert "2b.html" not in made
    assert "No file of this notebook was found" in made
    assert "script-src 'none'" in made.replace("&#39;", "'").split("<title>")[0]
    assert "1.5 of 4 points so far, 9 in all" in plain(made)


def test_each_state_has_words_and_not_only_a_colour():
    for state, said in WORDS.items():
        points = None if state in (WAITING, NOT_JUDGED) else 0.0
        one = NotebookReport("2a", "", (Question("1.1", "", (Part("q", state, points, 1.0),)),))
        assert said in plain(summary_html(REPORT, one))


def test_the_list_of_pages_comes_on_top_of_each_before_anything_of_a_students():
    other = replace(NOTEBOOK, name="2b", title=EVIL, digest="")
    report = replace(REPORT, notebooks=(NOTEBOOK, other))
    page = "<body><main>\n<p>one</p></main><main>two</main></body>"
    made = with_list(page, report, {"2a"})
    before, _, _ = made.partition("<p>one</p>")
    assert made.startswith("<body><main>\n<details")
    assert made.endswith("</details>" + page.removeprefix("<body><main>"))
    assert '<a href="2a.html">Part 2a</a>' in before
    assert "2b.html" not in before
    assert "No file of this notebook was found." in before
    assert "<script" not in made


def test_a_page_alone_or_of_another_form_stays_as_it_is():
    report = replace(REPORT, notebooks=(NOTEBOOK, NOTEBOOK))
    assert with_list("<main>x</main>", REPORT, {"2a"}) == "<main>x</main>"
    assert with_list("<body>x</body>", report, {"2a"}) == "<body>x</body>"
