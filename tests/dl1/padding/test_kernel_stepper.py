import base64
import re

import pytest
import torch

from dl1.errors import CourseError
from dl1.padding.convolution_terms import MODES
from dl1.padding.kernel_stepper import KernelStepper

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def sum_line(figure) -> str:
    (text,) = [text.get_text() for text in figure.texts if text.get_label() == "sum"]
    return text


@pytest.fixture
def stepper(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return KernelStepper()


def picture(stepper) -> bytes:
    return base64.b64decode(re.search(r"base64,([^\"]+)", stepper.picture.value)[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: KernelStepper(kernel=torch.ones(9)), "kernel has shape"),
        (lambda: KernelStepper(torch.ones(28, 28)), "28×28 is too large"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(call, words):
    with pytest.raises(CourseError, match=words):
        call()


def test_the_slider_moves_the_kernel(stepper):
    before = picture(stepper)
    assert before.startswith(b"\x89PNG")
    assert (stepper.slider.min, stepper.slider.max) == (1, 25)
    stepper.slider.value = 7
    assert (stepper.step, stepper.place) == (7, (2, 2))
    assert picture(stepper) != before
    assert "= 18. Padding: valid" in stepper.picture.value
    stepper.slider.value = 1
    assert picture(stepper) == before


def test_the_dropdown_changes_the_padding(stepper):
    before = picture(stepper)
    assert [mode for _, mode in stepper.mode_choice.options] == list(MODES)
    seen = {before}
    for mode in list(MODES)[1:]:
        stepper.mode_choice.value = mode
        assert stepper.mode == mode
        assert f"Padding: {mode}" in stepper.picture.value
        seen.add(picture(stepper))
    assert len(seen) == len(MODES)


def test_the_buttons_stop_at_both_ends(stepper):
    stepper.previous.click()
    assert stepper.step == 1
    stepper.next.click()
    assert (stepper.step, stepper.slider.value) == (2, 2)
    stepper.slider.value = 25
    stepper.next.click()
    assert stepper.step == 25
    stepper.previous.click()
    assert stepper.step == 24


def test_the_picture_has_its_content_in_words(stepper):
    assert "f_{1,1} can&#x27;t be computed" in stepper.picture.value
    assert "g_{0,0}·h_{+,+} = ?·(−4) (missing)" in stepper.alt_text()


def test_the_figure_stays_when_the_stepper_goes_on(stepper):
    stepper.mode_choice.value = "zeros"
    figure = stepper.figure()
    line = sum_line(figure)
    assert line.startswith("f₁,₁ = 2 + 18 + 0")
    stepper.next.click()
    assert sum_line(figure) == line
    assert sum_line(stepper.figure()).startswith("f₁,₂ =")


def test_an_output_holds_the_widget_and_an_image_for_prints(stepper):
    bundle, about = stepper._repr_mimebundle_()
    assert bundle[WIDGET_VIEW]["model_id"] == stepper.controls.model_id
    assert base64.b64decode(bundle["image/png"]) == picture(stepper)
    assert about["image/png"]["alt"] == bundle["text/plain"] == stepper.alt_text()


def test_without_a_reader_only_the_figure_is_left(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    alone = KernelStepper()
    assert alone.controls is None
    bundle, _ = alone._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"].startswith("f_{1,1} can't be computed")


def test_a_single_row_is_not_offered_a_mirror(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    line = KernelStepper(torch.ones(1, 4))
    assert [mode for _, mode in line.mode_choice.options] == ["valid", "zeros", "circular", "replicate"]
    line.slider.value = 4
    assert line.place == (1, 4)
