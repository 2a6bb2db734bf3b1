"""A check asks under the settings of a fresh notebook, and the notebook has its own ones back afterwards."""

import warnings

import numpy as np
import pytest
import torch

from dl1 import probe as make_probe
from dl1.contract.settings import first_settings


def printed() -> list[str]:
    return [str(torch.tensor([1 / 3, 1e6])), str(np.array([1 / 3, 1e6]))]


def warned() -> str:
    with warnings.catch_warnings():
        try:
            warnings.warn("careful", DeprecationWarning, stacklevel=1)
        except DeprecationWarning:
            return "raised"
    return "said"


def divided() -> str:
    try:
        np.array([1.0]) / np.array([0.0])
    except FloatingPointError:
        return "raised"
    return "inf"


SETTINGS = {
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), lambda: torch.ones(1).dtype),
    "default device": (lambda: torch.set_default_device("meta"), lambda: torch.ones(1).device.type),
    "gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "products": (lambda: torch.set_float32_matmul_precision("medium"), torch.get_float32_matmul_precision),
    "anomalies": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "torch printing": (lambda: torch.set_printoptions(precision=1, sci_mode=True), lambda: printed()[0]),
    "numpy printing": (lambda: np.set_printoptions(precision=1), lambda: printed()[1]),
    "numpy errors": (lambda: np.seterr(all="raise"), divided),
    "warnings": (lambda: warnings.filterwarnings("error"), warned),
}


@pytest.fixture(autouse=True)
def _as_before():
    printing, errors = torch._tensor_str.get_printoptions(), np.geterr()
    with warnings.catch_warnings(), np.printoptions():
        warnings.simplefilter("ignore")
        yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.set_autocast_enabled("cpu", False)
    torch.set_float32_matmul_precision("highest")
    torch.autograd.set_detect_anomaly(False)
    torch.set_printoptions(**printing)
    np.seterr(**errors)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_notebook_sets_is_not_set_while_a_check_asks(name):
    change, look = SETTINGS[name]
    with first_settings():
        first = look()
    change()
    changed = look()
    assert changed != first
    with first_settings():
        assert look() == first
    assert look() == changed


def test_inference_mode():
    with torch.inference_mode(), first_settings():
        assert torch.ones(1, requires_grad=True).mul(2).requires_grad


def test_a_filter_that_raises_leaves_others_as_they_are(recwarn):
    """IPython has one in every notebook; with it a check must not say what a cell doesn't."""

    class OfIPython(Warning):
        pass

    warnings.resetwarnings()
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("error", OfIPython)
    with first_settings():
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn("early", OfIPython, stacklevel=1)
    assert [str(one.message) for one in recwarn] == ["early"]
    with pytest.raises(OfIPython):
        warnings.warn("early", OfIPython, stacklevel=1)


@pytest.mark.parametrize("name", SETTINGS)
def test_probes_of_a_notebook_ask_like_this(name):
    change, look = SETTINGS[name]
    with first_settings():
        first = str(look())
    namespace = {"__name__": "__main__", "probe": make_probe, "look": look}
    exec("@probe\ndef asked():\n    return str(look())", namespace)
    change()
    assert namespace["asked"]() == first
