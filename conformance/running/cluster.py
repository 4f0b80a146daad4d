"""The workers of a dask client, in place of the lanes of one machine: the same questions, answered anywhere.

No worker of dask loads a framework: it starts ours, as the lanes do, and keeps it. A question that is lost with its
worker is put to another.
"""

from __future__ import annotations

import logging
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.strategies import Draw
from depthwise_conformance.running.answering import Question, Sharing, Waiting, answer, close_workers
from depthwise_conformance.running.drawing import draw
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.usage import UsageError

SLICE = 50  # cases in a question: seconds, beside which what dask does is nothing
TIMES = 3  # that a question is put again when it fails, besides those that dask itself puts again
CONNECTING = "60s"
PROFILED = "distributed.worker.profile.enabled"  # takes 300 MiB in a quarter of an hour, and tells us nothing


class Cluster(Sharing):
    """Shares out cases to the workers that a client has."""

    def __init__(self, client: Any, checks: tuple[str, ...], strength: int) -> None:
        count = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        super().__init__(count, SLICE * count, checks, strength)
        self.ahead = count
        self._client = client
        self._under_way: weakref.WeakSet[Any] = weakref.WeakSet()

    def draw(self, block: Draw, count: int) -> Callable[[], tuple[Case, ...]]:
        """Has cases drawn: what waits for them."""
        future: Future[tuple[Case, ...]] = self._call(draw, block, count, priority=1)
        return future.result

    def _submit(self, target: Target, place: int, question: Question) -> Waiting:
        waiting: Waiting = self._call(answer, question)
        return waiting

    def _call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        future = self._client.submit(function, *arguments, pure=False, retries=TIMES, **options)
        self._under_way.add(future)
        return future

    def abort(self) -> None:
        """Gives up what is under way."""
        self._client.cancel(list(self._under_way), force=True)

    def close(self) -> None:
        """Ends our workers; those of dask, and the client, are somebody else's to close."""
        with suppress(Exception):  # the cluster may be gone
            self._client.run(close_workers)


@contextmanager
def connected(scheduler: str, workers: int) -> Iterator[Any]:
    """A client of the scheduler, or else of so many workers on this machine. Raises UsageError."""
    try:
        dask = import_module("distributed")
    except ImportError:
        raise UsageError("sweep: dask is not installed; try: pip install 'depthwise-conformance[dask]'") from None
    warnings.filterwarnings("ignore", message="Do not use the `random` module")  # in strategies: threads of dask do
    if not scheduler:
        local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
        with (
            import_module("dask").config.set({PROFILED: False}),
            dask.LocalCluster(**local, silence_logs=logging.ERROR) as cluster,
            dask.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = dask.Client(scheduler, timeout=CONNECTING)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"scheduler {scheduler!r}: no answer ({error}); accepted is as in tcp://host:8786") from None
    with client:
        yield client
