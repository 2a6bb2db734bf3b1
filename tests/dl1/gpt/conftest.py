"""What the tests of sessions share: a folder and a profile of their own, and a count of the steps."""

import signal

import pytest

from dl1.gpt import session as gpt_session
from dl1.gpt.training import PROFILES, Profile, Trainer
from dl1.notebook import runs
from dl1.notebook.devices import choose_device


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(tmp_path / "cache"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpt_session, "choose_device", lambda device: choose_device(device or "cpu"))
    monkeypatch.delenv(runs.PROFILE_VARIABLE, raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setitem(PROFILES, "quick", Profile("none", 8, 0.1, 8, 1e-2, True, steps=40))


@pytest.fixture
def steps_done(monkeypatch):
    """Numbers of the steps that are trained from now on; interrupts before those that are put into ``at``."""

    class Steps(list):
        at: tuple = ()

    seen, whole = Steps(), Trainer.step

    def counted(self):
        if self.done in seen.at:
            signal.raise_signal(signal.SIGINT)
        seen.append(self.done)
        return whole(self)

    monkeypatch.setattr(Trainer, "step", counted)
    return seen
