"""Many scenes on a Dask cluster: one task a scene, results whole or not at all, and a STAC collection at the end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raremap import _native
from raremap._model import Model, _restore

if TYPE_CHECKING:
    from dask.distributed import Client

__all__ = ["Failed", "Report", "TooManyFailures", "predict"]

_PARTIAL = ".partial-"
_RECORD = "scene.json"
_STAC_VERSION = "1.0.0"
# What another try may mend: a disk that was full, a server that did not answer.
_PASSING = {"write_failed", "source_failed", "source_changed"}


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
    """More scenes failed than ``max_failures`` allows. ``report`` says what was done; a later call goes on from there."""

    code = "too_many_failures"

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return TooManyFailures, (str(self), self.report)


@dataclass(frozen=True)
class _Scene:
    id: str
    paths: tuple[str, ...]
    options: dict[str, Any]
    source: str | None = None
    """Address of the STAC Item that it comes from."""


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

    :param items: paths of scenes (a file, a folder or an archive), lists of the paths of one product, or STAC Items (of pystac, or as dicts)
        whose assets are files. Of an Item with several assets, those whose key or common name is a band of the model are used.
    :param client: a client of ``dask.distributed``: of your own cluster, of dask-jobqueue, of a hosted one. Without it, a ``LocalCluster`` of
        one process a core, which ends with the call.
    :param retries: how often a scene is tried again if reading or writing failed or its worker died.
    :param max_failures: the call ends with :class:`TooManyFailures` as soon as more scenes have failed; by default, it never does.
    :param title: of the collection.
    :param options: those of :meth:`raremap.Model.segment_file`, for all scenes.
    """
    from dask.distributed import as_completed

    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(_PARTIAL + "*"):
        shutil.rmtree(left_over, ignore_errors=True) if left_over.is_dir() else left_over.unlink(missing_ok=True)
    scenes = _with_own_ids([_scene(item, model, options) for item in items])
    report = Report(folder / "collection.json")
    todo = []
    for scene in scenes:
        if isinstance(scene, Failed):
            report.failed.append(scene)
        elif _is_done(folder, scene, _digest(scene, model.sha256)):
            report.skipped.append(scene.id)
        else:
            todo.append(scene)
    _check_failures(report, max_failures)
    if todo:
        with _client(client) as running:
            # Made on a worker, from the graph: if the worker dies, another one makes it again.
            shared = running.submit(_restore, model._native.weights, model.path, pure=True)
            futures = {
                running.submit(_run, shared, scene, str(folder), pure=False, retries=retries): scene for scene in todo
            }
            try:
                for future in as_completed(list(futures)):
                    # Let go of: what a worker held when it died would be computed again as long as somebody wants it.
                    scene = futures.pop(future)
                    failure = _failure(future, scene)
                    future.release()
                    report.failed.append(failure) if failure else report.done.append(scene.id)
                    _check_failures(report, max_failures)
            finally:
                running.cancel(list(futures))
    _write_collection(folder, [scene for scene in scenes if isinstance(scene, _Scene)], title)
    _write_json(folder / "failures.json", [failure.__dict__ for failure in sorted(report.failed, key=lambda f: f.id)])
    report.done.sort()
    return report


@contextmanager
def _client(client: Client | None) -> Iterator[Client]:
    if client is not None:
        yield client
        return
    from dask.distributed import Client, LocalCluster

    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0))
    # One scene a core: the network's own threads gain less.
    cluster = LocalCluster(
        n_workers=cores, threads_per_worker=1, dashboard_address=":0", env={"RAYON_NUM_THREADS": "1"}
    )
    with cluster, Client(cluster) as own:
        yield own


def _check_failures(report: Report, most: int | None) -> None:
    if most is not None and len(report.failed) > most:
        last = report.failed[-1]
        raise TooManyFailures(f"{len(report.failed)} scenes failed, the last one {last.id}: {last.message}", report)


def _scene(item: Any, model: Model, options: dict[str, Any]) -> _Scene | Failed:
    if isinstance(item, (str, os.PathLike)):
        path = os.path.abspath(item)
        return _Scene(_folder_name(Path(path).name), (path,), dict(options))
    if isinstance(item, (list, tuple)):
        paths = tuple(os.path.abspath(path) for path in item)
        common = os.path.commonpath(paths)
        return _Scene(_folder_name(Path(common).name), paths, dict(options))
    content = item if isinstance(item, dict) else item.to_dict(include_self_link=True)
    name = _folder_name(str(content.get("id", "")))
    try:
        return _scene_of_item(content, name, model, dict(options))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Failed(name, "item_malformed", f"the STAC Item cannot be used: {error}")


def _scene_of_item(item: dict[str, Any], name: str, model: Model, options: dict[str, Any]) -> _Scene | Failed:
    links = {link["rel"]: link["href"] for link in item.get("links", []) if link.get("rel") == "self"}
    source = links.get("self")
    assets = {
        key: asset
        for key, asset in item["assets"].items()
        if "data" in asset.get("roles", []) or str(asset.get("type", "")).startswith("image/tiff")
    }
    if not assets:
        return Failed(name, "item_without_data", "the STAC Item has no asset that is a GeoTIFF or has the role data")

    def path_of(asset: dict[str, Any]) -> str:
        href = str(asset["href"]).removeprefix("file://")
        if "://" in href:
            raise ValueError(f"{href} is not a file")
        base = source.removeprefix("file://") if source and "://" not in source.removeprefix("file://") else None
        return os.path.abspath(os.path.join(os.path.dirname(base), href) if base else href)

    paths: list[str] = []
    if len(assets) == 1:
        paths = [path_of(asset) for asset in assets.values()]
    else:
        found = {}
        for key, asset in assets.items():
            bands = asset.get("eo:bands", []) + asset.get("bands", [])
            common = {band.get("common_name") or band.get("eo:common_name") for band in bands}
            for band in (*model.bands, *model.optional_bands):
                if band == key.lower() or band in common:
                    found.setdefault(band, path_of(asset))
        if all(band in found for band in model.bands):
            paths = list(found.values())
            options.setdefault("bands", ",".join(f"{band}={Path(path).name}" for band, path in found.items()))
        else:
            paths = [path_of(asset) for asset in assets.values()]
    time = item.get("properties", {}).get("datetime")
    if time:
        options.setdefault("datetime", time)
    return _Scene(name, tuple(paths), options, source)


def _folder_name(name: str) -> str:
    """A name that is a folder on every system, and no hidden one."""
    stem = re.sub(r"\.(tiff?|zip|safe)$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]", "_", stem).strip(".") or "scene"


def _with_own_ids(scenes: list[_Scene | Failed]) -> list[_Scene | Failed]:
    """Tells scenes of one name apart by their files. Their order does not matter, so that a later call finds them again."""
    counts: dict[str, int] = {}
    for scene in scenes:
        counts[scene.id] = counts.get(scene.id, 0) + 1
    apart = []
    for scene in scenes:
        if counts[scene.id] > 1 and isinstance(scene, _Scene):
            suffix = hashlib.sha256("\n".join(scene.paths).encode()).hexdigest()[:8]
            scene = _Scene(f"{scene.id}-{suffix}", scene.paths, scene.options, scene.source)
        apart.append(scene)
    unique = {scene.id: scene for scene in apart}
    return [unique[name] for name in sorted(unique)]


def _digest(scene: _Scene, model_sha256: str) -> str:
    """Says whether a result is still that of the inputs, without reading them."""
    files = []
    for path in scene.paths:
        folder = Path(path)
        within = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        for file in within:
            try:
                status = file.stat()
            except OSError:
                files.append([str(file), None, None])
                continue
            files.append([str(file), status.st_size, status.st_mtime_ns])
    options = {name: str(value) for name, value in scene.options.items()}
    content = [_native.__version__, model_sha256, scene.source, files, options]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_done(folder: Path, scene: _Scene, digest: str) -> bool:
    try:
        return json.loads((folder / scene.id / _RECORD).read_text())["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _run(model: Model, scene: _Scene, out: str) -> Failed | None:
    """Maps one scene, on a worker."""
    folder = Path(out)
    digest = _digest(scene, model.sha256)
    # The worker that made it may have died before it could say so.
    if _is_done(folder, scene, digest):
        return None
    partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{scene.id}-", dir=folder))
    try:
        summary = model.segment_file(scene.paths, partial, **scene.options)
        # What differs between two runs is not part of the result.
        del summary["timings"]
        summary["outputs"] = [Path(path).name for path in summary["outputs"]]
        _write_json(partial / "summary.json", summary)
        _add_links(partial / "item.json", scene)
        _write_json(partial / _RECORD, {"id": scene.id, "inputs": scene.paths, "source": scene.source, "digest": digest})
        partial.chmod(0o755)
        _replace(partial, folder / scene.id)
    except _native.RaremapError as error:
        if error.code in _PASSING:
            raise
        return Failed(scene.id, error.code, str(error))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return None


def _replace(folder: Path, place: Path) -> None:
    """Puts a complete folder in its place; an older one there is out of date."""
    if place.exists():
        old = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{place.name}-", dir=place.parent))
        place.rename(old / "old")
        shutil.rmtree(old, ignore_errors=True)
    folder.rename(place)


def _add_links(path: Path, scene: _Scene) -> None:
    item = json.loads(path.read_text())
    up = {"href": "../collection.json", "type": "application/json"}
    links = [{"rel": rel, **up} for rel in ("root", "parent", "collection")]
    if scene.source:
        links.append({"rel": "derived_from", "href": scene.source, "type": "application/geo+json"})
    item["links"] += links
    item["collection"] = "raremap"
    _write_json(path, item)


def _failure(future: Any, scene: _Scene) -> Failed | None:
    if future.status == "cancelled":
        return Failed(scene.id, "cancelled", "the scheduler cancelled the scene")
    # Waits, if the worker died that held the outcome.
    error = future.exception()
    if error is None:
        return future.result()
    code = getattr(error, "code", None)
    if code is None:
        code = "worker_lost" if type(error).__name__ == "KilledWorker" else "source_failed" if isinstance(error, OSError) else "failed"
    return Failed(scene.id, code, str(error))


def _write_collection(folder: Path, scenes: Sequence[_Scene], title: str) -> None:
    """The STAC collection of the scenes that are mapped, the same for any order in which they were."""
    links: list[dict[str, str]] = [{"rel": "root", "href": "./collection.json", "type": "application/json"}]
    boxes, starts, ends = [], [], []
    for scene in scenes:
        path = folder / scene.id / "item.json"
        try:
            item = json.loads(path.read_text())
        except OSError:
            continue
        links.append({"rel": "item", "href": f"./{scene.id}/item.json", "type": "application/geo+json"})
        if item.get("bbox"):
            boxes.append(item["bbox"])
        properties = item["properties"]
        starts.append(properties.get("datetime") or properties.get("start_datetime"))
        ends.append(properties.get("datetime") or properties.get("end_datetime"))
    box = [f(values) for f, values in zip((min, min, max, max), zip(*boxes))] if boxes else [-180, -90, 180, 90]
    collection = {
        "type": "Collection",
        "stac_version": _STAC_VERSION,
        "id": "raremap",
        "title": title,
        "description": "Land cover and rare classes, mapped by raremap",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [box]},
            "temporal": {"interval": [[min(starts, default=None), max(ends, default=None)]]},
        },
        "links": links,
    }
    _write_json(folder / "collection.json", collection)


def _write_json(path: Path, content: Any) -> None:
    """Writes a file beside its place and renames it."""
    handle, partial = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
    os.chmod(partial, 0o644)
    os.replace(partial, path)
