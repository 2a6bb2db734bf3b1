"""What a course's configuration says reaches grading."""

from proctor.plugin.surroundings import surroundings
from proctor.settings import Proctor


def test_what_the_course_has_set_is_what_grading_gets(tmp_path):
    settings = Proctor(
        sandbox="none", warm=["torch"], warm_later=["csv"], run_demos=True, limits={"cell_cpu_seconds": 7}
    )
    around = surroundings(settings, tmp_path)
    assert (around.kind, around.warm, around.warm_later) == ("none", ("torch",), ("csv",))
    assert around.run_demos is True
    assert around.limits.cell_cpu_seconds == 7
    before = surroundings(Proctor(), tmp_path)
    assert (before.warm_later, before.run_demos) == ((), False)
