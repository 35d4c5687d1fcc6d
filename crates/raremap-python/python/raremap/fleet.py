"""Many scenes on a Dask cluster: one task a scene, results whole or not at all, and a STAC collection at the end."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raremap import _native
from raremap._model import Model, _restore, file_options, misuse

if TYPE_CHECKING:
    from dask.distributed import Client

__all__ = ["Failed", "Report", "TooManyFailures", "predict"]

_PAUSE_SECS = 1.0


@dataclass(frozen=True)
class Failed:
    """A scene that could not be mapped."""

    id: str
    code: str
    """Stable between versions; ``worker_lost`` if the processes that ran it died."""
    message: str


@dataclass(frozen=True)
class Report:
    """What :func:`predict` did."""

    collection: Path
    """The STAC collection of all scenes that are mapped, ``out/collection.json``."""
    done: list[str] = field(default_factory=list)
    """Scenes that this call mapped."""
    skipped: list[str] = field(default_factory=list)
    """Scenes that an earlier call had mapped from the same inputs, with the same model and options."""
    failed: list[Failed] = field(default_factory=list)
    """Scenes that could not be mapped; ``out/failures.json`` lists them too."""


class TooManyFailures(_native.RaremapError):
    """More scenes failed than ``max_failures`` allows. ``report`` says what was done, and ``out/failures.json`` what failed; a later call goes on from there."""

    code = "too_many_failures"

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return TooManyFailures, (str(self), self.report)


def predict(
    items: Iterable[Any],
    model: Model,
    out: str | os.PathLike[str],
    client: Client | None = None,
    *,
    retries: int = 2,
    max_failures: int | None = None,
    title: str = "raremap",
    **options: Any,
) -> Report:
    """Maps many scenes, each into a folder ``out/ID`` with the files of :meth:`raremap.Model.segment_file`.

    A scene's folder appears when all of its files are complete. Call it again after a crash, or with more items: scenes that are mapped are known
    by a digest of the names, sizes and times of their files, of the model and of the options, and are not run again. ``out`` must be a folder
    that all workers see; one call at a time may write to it.

    :param items: paths or addresses of scenes (a file, a folder or an archive), lists of those of one product, or STAC Items (of pystac, or as dicts)
        whose assets are files, here or on a server. Of an Item with several assets, those whose key or common name is a band of the model are used.
    :param client: a client of ``dask.distributed``: of your own cluster, of dask-jobqueue, of a hosted one. Without it, a ``LocalCluster`` of
        one process a core, which ends with the call.
    :param retries: how often a scene is tried again, on another worker if there is one, if reading or writing failed. If its worker died, Dask
        tries it again, as often as its setting ``distributed.scheduler.allowed-failures`` says.
    :param max_failures: the call ends with :class:`TooManyFailures` as soon as more scenes have failed; by default, it never does.
    :param title: of the collection.
    :param options: those of :meth:`raremap.Model.segment_file`, for all scenes.
    """
    from dask.distributed import as_completed

    wanted = _options(model, options)
    folder = str(Path(out).resolve())
    todo, skipped, unusable = _native.plan_fleet(model._native, [_json(item) for item in items], folder, wanted)
    report = Report(Path(folder) / "collection.json", skipped=skipped, failed=[Failed(*failure) for failure in unusable])
    _check_failures(report, max_failures)
    if todo:
        with _client(client) as running:
            # Made on a worker, from the graph: if the worker dies, another one makes it again.
            shared = running.submit(_restore, model._native.weights, model.path, pure=True)
            arguments = {name: (shared, scene, folder, wanted) for name, scene in todo}
            futures = {running.submit(_run, *arguments[name], pure=False): name for name in arguments}
            tried: dict[str, list[str]] = {}
            completed = as_completed(list(futures))
            try:
                for future in completed:
                    name = futures.pop(future)
                    failure, may_pass, worker = _outcome(future, name)
                    # Let go of: what a worker held when it died would be computed again as long as somebody wants it.
                    future.release()
                    before = tried.setdefault(name, [])
                    if failure and may_pass and len(before) < retries:
                        # Elsewhere, if that is possible.
                        before.append(worker)
                        others = [other for other in running.nthreads() if other not in before]
                        again = running.submit(
                            _run, *arguments[name], pure=False, workers=others or None, allow_other_workers=bool(others)
                        )
                        futures[again] = name
                        completed.add(again)
                        continue
                    report.failed.append(failure) if failure else report.done.append(name)
                    _check_failures(report, max_failures)
            finally:
                running.cancel(list(futures))
    report.done.sort()
    _native.finish_fleet(folder, report.done + report.skipped, _listed(report), title)
    return report


@contextmanager
def _client(client: Client | None) -> Iterator[Client]:
    if client is not None:
        yield client
        return
    from dask.distributed import Client, LocalCluster

    # One scene a core: the network's own threads gain less.
    cluster = LocalCluster(
        n_workers=_cores(), threads_per_worker=1, dashboard_address=":0", env={"RAYON_NUM_THREADS": "1"}
    )
    with cluster, Client(cluster) as own:
        yield own


def _cores() -> int:
    """The cores that this process may use, where the system says so; else all."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _options(model: Model, options: dict[str, Any]) -> dict[str, Any]:
    """The options of all scenes, as the native module takes them."""
    given = inspect.signature(model.segment_file).bind("", "", **options)
    given.apply_defaults()
    keywords = {name: value for name, value in given.arguments.items() if name not in ("path", "out")}
    if keywords.pop("progress") is not None:
        raise misuse("a fleet has no progress callback; the client's dashboard shows its progress")
    return file_options(model, **keywords)


def _json(item: Any) -> str:
    """An item as the native module reads it: a path, a list of paths, or a STAC Item."""
    if isinstance(item, (str, os.PathLike)):
        return json.dumps(os.fspath(item))
    if isinstance(item, (list, tuple)):
        return json.dumps([os.fspath(path) for path in item])
    return json.dumps(item if isinstance(item, dict) else item.to_dict(include_self_link=True), default=str)


def _check_failures(report: Report, most: int | None) -> None:
    if most is not None and len(report.failed) > most:
        _native.write_failures(report.collection.parent, _listed(report))
        last = report.failed[-1]
        raise TooManyFailures(f"{len(report.failed)} scenes failed, the last one {last.id}: {last.message}", report)


def _listed(report: Report) -> list[tuple[str, str, str]]:
    """The failures, as the native module takes them."""
    return [(failure.id, failure.code, failure.message) for failure in report.failed]


def _run(model: Model, scene: str, out: str, options: dict[str, Any]) -> tuple[Failed | None, bool, str]:
    """Maps one scene, on a worker. Says why it failed, whether another try may succeed, and who ran it."""
    from dask.distributed import get_worker

    worker = get_worker().address
    outcome = _native.map_scene(model._native, scene, out, options)
    if outcome is None:
        return None, False, worker
    failure, may_pass = outcome
    if may_pass:
        # A worker whose disk is full fails fast: meanwhile the others take the scenes, this one included.
        time.sleep(_PAUSE_SECS)
    return Failed(*failure), may_pass, worker


def _outcome(future: Any, name: str) -> tuple[Failed | None, bool, str]:
    if future.status == "cancelled":
        return Failed(name, "cancelled", "the scheduler cancelled the scene"), False, ""
    try:
        # Waits, if the worker died that held the outcome.
        error = future.exception()
        if error is None:
            return future.result()
    except OSError as lost:
        # The scheduler ended while the outcome of a finished scene was on its way.
        return Failed(name, "cancelled", f"the scheduler was lost: {lost}"), False, ""
    code = "worker_lost" if type(error).__name__ == "KilledWorker" else getattr(error, "code", "failed")
    return Failed(name, code, str(error)), False, ""
