"""What names of Canvas, Brightspace and Moodle say, and whom they mean."""

import datetime

import pytest

from proctor.intake.lms_names import BRIGHTSPACE, CANVAS, MOODLE, Claim, Student, claim, whose

BOB = "Bob O'Brien"
NOON = datetime.datetime(2026, 1, 3, 12, 1)


def brightspace(who: str, rest: str = "", time: datetime.datetime | None = NOON) -> Claim:
    return Claim(BRIGHTSPACE, who, "12345", "12345", rest, 678, time)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "obrienbob_83021_5512331_1a_padding-1.ipynb",
            Claim(CANVAS, "obrienbob", "83021", "83021", "1a_padding-1.ipynb", 5512331),
        ),
        (
            "obrienbob_LATE_83021_5512340_my work.zip",
            Claim(CANVAS, "obrienbob", "83021", "83021", "my work.zip", 5512340, late=True),
        ),
        ("obrien_bob_1_2_x_3_4_y.ipynb", Claim(CANVAS, "obrien_bob", "1", "1", "x_3_4_y.ipynb", 2)),
        ("12345-678 - Bob O'Brien - 3 Jan 2026 1201 PM", brightspace(BOB)),
        ("12345-678 - Bob O'Brien - Jan 3, 2026 1201 PM", brightspace(BOB)),
        ("12345-678 - Ann - van Dam - 3 januari 2026 12.01", brightspace("Ann - van Dam")),
        ("12345-678 - Bob - Jan 3, 2026 1201 PM - a - b.ipynb", brightspace("Bob", "a - b.ipynb")),
        ("12345-678 - Bob - 2 Jan 2026 0100 AM - 3 Jan 2026 1201 PM", brightspace("Bob", "3 Jan 2026 1201 PM")),
        ("12345-678 - Bob - some day", brightspace("Bob", "", None)),
        ("Bob O'Brien_4711_assignsubmission_file_", Claim(MOODLE, BOB, "", "4711")),
        ("Bob O'Brien_4711_assignsubmission_file", Claim(MOODLE, BOB, "", "4711")),
        ("Bob O'Brien_4711_assignsubmission_file_1a_1_2_b.ipynb", Claim(MOODLE, BOB, "", "4711", "1a_1_2_b.ipynb")),
        ("homework.zip", None),
        ("bob_1a.ipynb", None),
        ("", None),
    ],
)  # fmt: skip
def test_names(name, said):
    assert claim(name) == said


@pytest.mark.parametrize(
    ("text", "hour"), [("901 AM", 9), ("1201 AM", 0), ("1:01 PM", 13), ("1301", 13), ("12:01\u202fpm", 12)]
)
def test_hours(text, hour):
    assert claim(f"1-2 - Bob - 3 Mar 2026 {text}").time == datetime.datetime(2026, 3, 3, hour, 1)


ROSTER = [
    Student("bob", "Bob", "O'Brien", "b.obrien@x.nl"),
    Student("eve", "Eve", "Adams", "eve@x.nl", "555"),
    Student("12345678", "Jürgen", "Müller"),
    Student("jan1", "Jan", "Jansen"),
    Student("jan2", "Jan", "Jansen", "", "777"),
    Student("nameless"),
]


def canvas(who: str, number: str = "1") -> Claim:
    return Claim(CANVAS, who, number, number)


@pytest.mark.parametrize(
    ("one", "student"),
    [
        (canvas("obrienbob"), "bob"),
        (canvas("bobobrien"), "bob"),
        (canvas("b.obrien"), "bob"),
        (canvas("BOB"), "bob"),
        (canvas("müllerjürgen"), "12345678"),
        (canvas("mu\u0308llerju\u0308rgen"), "12345678"),
        (canvas("somebody", "12345678"), "12345678"),
        (canvas("anything", "555"), "eve"),
        (canvas("jansenjan", "777"), "jan2"),
        # The other one has a number, and this is not it.
        (canvas("jansenjan", "778"), "jan1"),
        (canvas("nameless"), "nameless"),
        (Claim(MOODLE, BOB, "", "12345678"), "bob"),
        # Groups hand in: Moodle writes their name before the student's.
        (Claim(MOODLE, "Group 3-Bob O'Brien", "", "9"), "bob"),
        (Claim(MOODLE, "Red-blue-Jürgen Müller", "", "9"), "12345678"),
        (Claim(MOODLE, "Default group-Jan Jansen", "", "9"), None),
        # A part of a name, an id behind a hyphen, and what is no Moodle name are nobody's.
        (Claim(MOODLE, "Group-O'Brien", "", "9"), None),
        (Claim(MOODLE, "Group-nameless", "", "9"), None),
        (canvas("group-obrienbob"), None),
        # Whose number is known is not meant by a name alone: somebody else may have taken it.
        (canvas("adamseve", "556"), None),
        (canvas("obrienbob", "12345678"), None),
        (canvas("nobody", "9"), None),
        (canvas("", "9"), None),
        (Claim(MOODLE, "Jan Jansen", "", "12"), None),
    ],
)
def test_whose(one, student):
    found, why = whose(one, ROSTER)
    assert found == student
    assert bool(why) == (student is None)


def test_whose_number_is_another_one_is_told_so():
    found, why = whose(canvas("adamseve", "556"), ROSTER)
    assert found is None
    assert why.startswith("eve has this name, and another number in the roster (555; here it is 556)")
