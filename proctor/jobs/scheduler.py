"""The connection to a Dask scheduler: which workers it has, whether they may be used, and what they answer to a job."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from proctor.errors import ProctorError
from proctor.jobs import at_worker, message, versions
from proctor.submission import Surroundings

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_END = 30.0
_SECONDS_TO_CONNECT = 20.0
_SECONDS_TO_ANSWER = 60.0
_PIECE = 2**24
_SECURITY = ("tls_ca_file", "tls_client_cert", "tls_client_key")
_INSTALL = "install there what is installed here, and start it again"
# Exceptions of Dask's, by name, which say that nobody does a task.
_GONE = ("KilledWorker", "FutureCancelledError", "FuturesCancelledError")


class Scheduler:
    """A scheduler, to which this process stays connected until `close`.

    Args:
        address: tcp://… or tls://….
        security: files for tls://, by their names in Dask's own settings; without, those settings are asked.
        around: what is the same for all jobs.

    Raises:
        ProctorError: there is none, or it can't be used; the message says what to do.
    """

    def __init__(self, address: str, security: Mapping[str, str], around: Surroundings) -> None:
        if around.kind != "bwrap":
            raise ProctorError('c.Proctor.scheduler needs c.Proctor.sandbox = "bwrap"; without a sandbox grade here')
        warm = [*around.warm, *around.warm_later]
        self._text, self._warm = message.of_surroundings(around), json.dumps(warm)
        self._run = hashlib.sha256(self._text).hexdigest()
        self._here = versions.versions(warm)
        self._futures: set[Any] = set()
        self._client = _client(address, security)
        try:
            self._client.run_on_scheduler(at_worker.nothing)
        except Exception as error:
            self.close(())
            raise ProctorError(
                f"{address}: the scheduler can't import proctor ({error}); start it in the same environment as the "
                "workers"
            ) from error

    def workers(self) -> dict[str, int]:
        """How many tasks at a time each worker does, by address.

        Raises:
            OSError: the scheduler doesn't answer.
        """
        identity = self._client.scheduler.identity
        told = self._client.sync(identity, n_workers=-1, callback_timeout=_SECONDS_TO_ANSWER)
        return {address: one["nthreads"] for address, one in told["workers"].items()}

    def connected(self) -> bool:
        """Whether the connection has lasted since the beginning."""
        return self._client.status == "running"

    def why_not(self, worker: str) -> str:
        """Why a worker must not be used; empty if it may, and then it is told what is the same for all jobs."""
        told = self._on(worker, at_worker.about, self._warm)
        if isinstance(told, ImportError):
            return f"proctor can't be imported there ({told}); {_INSTALL}"
        there = json.loads(_unless_error(told))
        if differing := versions.differences(self._here, there["versions"]):
            return f"on {there['host']} there is {', '.join(differing)}; {_INSTALL}"
        if there["sandbox"]:
            return f"on {there['host']} there is no sandbox: {there['sandbox']}"
        pieces = [self._text[i : i + _PIECE] for i in range(0, len(self._text), _PIECE)]
        for number, piece in enumerate(pieces):
            _unless_error(self._on(worker, at_worker.remember, self._run, number, len(pieces), piece))
        return ""

    def answer(self, worker: str, job: bytes, stop: Callable[[], bool]) -> bytes:
        """What a worker answers to a job, see `proctor.jobs.at_worker.work`; nothing if it is gone.

        Args:
            stop: whether nobody waits any more.
        """
        only = {"workers": [worker], "allow_other_workers": False, "pure": False}
        future = self._client.submit(at_worker.work, self._run, job, key=f"proctor-{uuid.uuid4().hex}", **only)
        self._futures.add(future)
        try:
            while not stop():
                with contextlib.suppress(TimeoutError):
                    # First the word that it is done, which comes by itself, then the answer, which may be large.
                    if error := future.exception(timeout=SECONDS_BETWEEN_LOOKS):
                        raise error
                    return future.result(timeout=_SECONDS_TO_ANSWER)
            return b""
        except CancelledError:
            return b""
        except Exception as error:
            if type(error).__name__ in _GONE:
                return b""
            raise
        finally:
            self._futures.discard(future)
            with contextlib.suppress(Exception):
                if not future.done():
                    future.cancel()

    def close(self, workers: Sequence[str]) -> None:
        """Cancel what is under way, let workers forget this run, and end the connection."""

        def close() -> None:
            with contextlib.suppress(Exception):
                if self.connected():
                    self._client.cancel(list(self._futures))
                    if workers:
                        self._client.run(at_worker.forget, self._run, workers=list(workers), on_error="ignore")
            with contextlib.suppress(Exception):
                self._client.close(timeout=5)

        # Whatever a network does, the end of a run doesn't wait for it for ever.
        closing = threading.Thread(target=close, daemon=True)
        closing.start()
        closing.join(SECONDS_TO_END)

    def _on(self, worker: str, function: Callable[..., Any], *words: Any) -> Any:
        """What a function says on a worker, outside of its tasks; or the exception that ended it."""
        told = self._client.run(function, *words, workers=[worker], on_error="return")
        return told.get(worker, ConnectionError("it is gone"))


def _unless_error(told: Any) -> Any:
    if isinstance(told, Exception):
        raise told
    return told


def _client(address: str, security: Mapping[str, str]) -> Any:
    """A connection; Dask's own words about its troubles would stand in the middle of ours."""
    if not address.startswith(("tcp://", "tls://")):
        raise ProctorError(f"c.Proctor.scheduler is {address!r}; give an address like tcp://host:8786")
    if unknown := sorted(set(security) - set(_SECURITY)):
        raise ProctorError(f"c.Proctor.scheduler_security: {unknown[0]!r} is not known; give {', '.join(_SECURITY)}")
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ProctorError(
            "c.Proctor.scheduler needs Dask, which is not installed: pip install -c constraints.txt dask distributed"
        ) from error
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(("distributed", "tornado"))]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
    try:
        safe = distributed.Security(**security, require_encryption=True) if security else None
        with warnings.catch_warnings():
            # What matters of the versions is compared here.
            warnings.simplefilter("ignore")
            return distributed.Client(
                address, security=safe, timeout=_SECONDS_TO_CONNECT, set_as_default=False, name="proctor"
            )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ProctorError(
            f"{address}: there is no Dask scheduler to be reached ({type(error).__name__}: {error}). Start one (dask "
            "scheduler) and its workers, or take c.Proctor.scheduler out of nbgrader_config.py to grade on this machine"
        ) from error
