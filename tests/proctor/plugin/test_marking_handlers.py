"""What of a notebook is shown for one question, and what the page is told."""

import json

from proctor.plugin.marking_course import is_marked
from proctor.plugin.marking_handlers import only_question, scripts_of


class Grade:
    def __init__(self, **values):
        known = {"manual_score": None, "auto_score": None, "extra_credit": None, "needs_manual_grade": False}
        vars(self).update(known | values)


def markdown(text: str, **metadata: object) -> dict:
    return {"cell_type": "markdown", "source": text, "metadata": metadata}


def answer(name: str) -> dict:
    flags = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3, "points": 1}
    return markdown(f"answer {name}", nbgrader={**flags, "grade_id": name})


def test_only_what_belongs_to_a_question_is_shown():
    cells = [markdown("## 1"), answer("q1"), markdown("text\n## 2"), markdown("more"), answer("q2"), markdown("## 3")]
    cells.append(markdown("added at the end", proctor_parts=["q2"]))
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    found = [one["source"] for one in json.loads(only_question(text, "q2"))["cells"]]
    assert found == ["text\n## 2", "more", "answer q2", "added at the end"]


def test_a_file_without_the_answer_stays_as_it_is():
    for text in ("no notebook", "[]", '{"cells": 1}', '{"cells": [{"metadata": 1}]}', "[" * 100_000, '{"cells": []}'):
        assert only_question(text, "q1") == text


def test_names_in_a_script_can_not_end_it():
    made = scripts_of("/user/x", {"cell": "</script><script>alert(1)</script>"})
    assert made.count("<script") == 2
    assert made.count("</script>") == 2


def test_an_answer_is_marked_when_somebody_gave_points():
    assert not is_marked(Grade(needs_manual_grade=True), False)
    assert not is_marked(Grade(), False)
    assert is_marked(Grade(manual_score=0.0), False)
    assert not is_marked(Grade(manual_score=1.0, needs_manual_grade=True), False)
    # A bonus has 0 points, which grading gives by itself.
    assert not is_marked(Grade(auto_score=0.0), True)
    assert is_marked(Grade(auto_score=0.0, extra_credit=1.0), True)
