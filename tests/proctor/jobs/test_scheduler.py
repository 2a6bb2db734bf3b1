"""What is said of a scheduler that can't be used, before anything is graded."""

import json
import sys
from types import SimpleNamespace

import pytest
from dask_cluster import free_port

from proctor.errors import ProctorError
from proctor.jobs import scheduler
from proctor.sandbox.limits import Limits
from proctor.submission import Surroundings


def said(address: str, security=(), kind: str = "bwrap") -> str:
    with pytest.raises(ProctorError) as caught:
        scheduler.Scheduler(address, dict(security), Surroundings(kind, Limits()))
    return str(caught.value)


def test_where_nobody_listens(monkeypatch):
    monkeypatch.setattr(scheduler, "_SECONDS_TO_CONNECT", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    text = said(address)
    assert text.startswith(f"{address}: there is no Dask scheduler to be reached")
    assert "Start one (dask scheduler) and its workers, or take c.Proctor.scheduler out" in text


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:8786", "inproc://x", "tcp:/x"])
def test_what_is_no_address(address):
    assert "give an address like tcp://host:8786" in said(address)


def test_security_that_is_not_known_or_not_there(tmp_path):
    assert "'tls_key' is not known; give tls_ca_file" in said("tls://127.0.0.1:1", {"tls_key": "x"})
    missing = {"tls_ca_file": str(tmp_path / "ca.pem")}
    assert "tls://127.0.0.1:1: there is no Dask scheduler to be reached" in said("tls://127.0.0.1:1", missing)


def test_files_for_encryption_never_go_with_an_address_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "_SECONDS_TO_CONNECT", 1.0)
    assert "encryption" in said("tcp://127.0.0.1:1", {"tls_ca_file": str(tmp_path / "ca.pem")})


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "which is not installed: pip install -c constraints.txt dask distributed" in said("tcp://127.0.0.1:1")


def test_versions_are_compared_of_all_libraries_that_are_imported_ahead(monkeypatch):
    client = SimpleNamespace(run_on_scheduler=lambda task: None)
    monkeypatch.setattr(scheduler, "_client", lambda address, security: client)
    around = Surroundings("bwrap", Limits(), warm=("torch",), warm_later=("sklearn.datasets",))
    made = scheduler.Scheduler("tcp://127.0.0.1:1", {}, around)
    assert "scikit-learn" in made._here
    assert json.loads(made._warm) == ["torch", "sklearn.datasets"]


def test_without_a_sandbox():
    assert 'needs c.Proctor.sandbox = "bwrap"' in said("tcp://127.0.0.1:1", kind="none")
