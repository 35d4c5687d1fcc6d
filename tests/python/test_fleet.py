"""Many scenes on a local cluster."""

import json
import os
import signal
import threading
import time
from datetime import datetime, timezone

import numpy as np
import pystac
import pytest
from dask.distributed import Client, LocalCluster

import raremap
import raremap.fleet
from conftest import make_scene, write_scene

OPTIONS = {"tile": 64, "overlap": 0}


@pytest.fixture(scope="module")
def client():
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", env={"RAYON_NUM_THREADS": "1"})
    with cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    return [write_scene(folder / f"scene{number:02}.tif", make_scene(64, 70 + number, number)) for number in range(12)]


def content(folder):
    """Bytes of all files, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_fleet_makes_the_files_that_one_process_makes_and_goes_on_where_it_ended(model, scenes, client, tmp_path):
    report = raremap.fleet.predict(scenes, model, tmp_path / "fleet", client, **OPTIONS)
    assert (len(report.done), report.skipped, report.failed) == (12, [], [])
    for path in scenes:
        model.segment_file(path, tmp_path / "alone" / path.stem, **OPTIONS)
        for name in ("mask.tif", "probability.tif", "saliency.tif", "polygons.geojson", "review.geojson", "areas.csv", "areas.json"):
            made = (tmp_path / "fleet" / path.stem / name).read_bytes()
            assert made == (tmp_path / "alone" / path.stem / name).read_bytes(), f"{path.stem}/{name}"
    before = content(tmp_path / "fleet")
    again = raremap.fleet.predict(reversed(scenes), model, tmp_path / "fleet", client, **OPTIONS)
    assert (again.done, again.skipped, again.failed) == ([], report.done, []) and content(tmp_path / "fleet") == before
    # Another option, another result; another file, another result of that scene.
    os.utime(scenes[3], ns=(1, 1))
    third = raremap.fleet.predict(scenes, model, tmp_path / "fleet", client, **OPTIONS)
    assert third.done == ["scene03"] and len(third.skipped) == 11
    fourth = raremap.fleet.predict(scenes[:2], model, tmp_path / "fleet", client, **OPTIONS, threshold=0.9)
    assert fourth.done == ["scene00", "scene01"]


def test_the_collection_is_a_stac_catalogue(model, scenes, client, tmp_path):
    report = raremap.fleet.predict(scenes[:3], model, tmp_path, client, **OPTIONS, datetime="2024-05-06T00:00:00Z")
    collection = pystac.Collection.from_file(report.collection)
    items = list(collection.get_items())
    assert [item.id.split("-")[0] for item in items] == ["scene00", "scene01", "scene02"]
    assert all(item.get_parent() is collection and os.path.exists(item.assets["mask"].get_absolute_href()) for item in items)
    assert items[0].properties["raremap:model_sha256"] == model.sha256
    box = collection.extent.spatial.bboxes[0]
    assert box[0] == min(item.bbox[0] for item in items) and box[3] == max(item.bbox[3] for item in items)
    assert collection.extent.temporal.intervals[0][0].year == 2024


def test_items_of_a_catalogue_are_scenes_and_broken_ones_are_listed(model, scenes, client, tmp_path):
    scene = make_scene(64, 80)
    for name, band in zip(("green", "red", "nir"), scene):
        write_scene(tmp_path / f"{name}.tif", band[None], [name])

    def item(name, assets):
        taken = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        made = pystac.Item(name, {"type": "Point", "coordinates": [1, 2]}, [1, 2, 1, 2], datetime=taken, properties={})
        for key, (href, role) in assets.items():
            made.add_asset(key, pystac.Asset(str(href), roles=[role]))
        made.set_self_href(str(tmp_path / f"{name}.json"))
        return made

    (tmp_path / "broken.tif").write_bytes(scenes[0].read_bytes()[:300])
    items = [
        item("bands", {name: (f"./{name}.tif", "data") for name in ("nir", "green", "red")}),
        item("stack", {"image": (scenes[1], "data"), "picture": (tmp_path / "absent.png", "thumbnail")}),
        item("broken", {"image": (tmp_path / "broken.tif", "data")}),
        item("absent", {"image": (tmp_path / "absent.tif", "data")}),
        item("remote", {"image": ("https://example.org/scene.tif", "data")}),
        item("empty", {}),
        {"id": "no item"},
    ]
    report = raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS, retries=1)
    assert report.done == ["bands", "stack"]
    codes = {failure.id: failure.code for failure in report.failed}
    assert codes.pop("broken") not in ("failed", "misuse")
    assert codes == {"absent": "source_failed", "remote": "item_malformed", "empty": "item_without_data", "no_item": "item_malformed"}
    listed = json.loads((tmp_path / "out/failures.json").read_text())
    assert [failure["id"] for failure in listed] == sorted(failure.id for failure in report.failed)
    made = json.loads((tmp_path / "out/bands/item.json").read_text())
    assert made["properties"]["datetime"] == "2024-01-02T03:04:05Z"
    assert {"rel": "derived_from", "href": str(tmp_path / "bands.json"), "type": "application/geo+json"} in made["links"]
    alone = model.segment_file([tmp_path / f"{name}.tif" for name in ("green", "red", "nir")], tmp_path / "alone", **OPTIONS)
    assert alone["areas"] == json.loads((tmp_path / "out/bands/summary.json").read_text())["areas"]
    assert not list((tmp_path / "out").glob(".partial*"))


def test_too_many_failures_end_the_call_and_a_later_one_goes_on(model, scenes, client, tmp_path):
    items = [*scenes[:4], *(tmp_path / f"absent{number}.tif" for number in range(3))]
    with pytest.raises(raremap.fleet.TooManyFailures) as raised:
        raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS, retries=0, max_failures=1)
    assert raised.value.code == "too_many_failures" and len(raised.value.report.failed) == 2
    report = raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS, retries=0, max_failures=3)
    assert len(report.done) + len(report.skipped) == 4 and len(report.failed) == 3


def test_workers_that_are_killed_lose_no_scene_and_leave_no_half(model, scenes, client, tmp_path):
    out = tmp_path / "out"
    killed = []
    ended = threading.Event()

    def kill():
        while len(killed) < 5 and not ended.is_set():
            finished = len(list(out.glob("scene*"))) if out.exists() else 0
            try:
                pids = list(client.run(os.getpid).values())
            except (OSError, KeyError, ValueError):
                pids = []
            if finished >= len(killed) and pids:
                os.kill(pids[len(killed) % len(pids)], signal.SIGKILL)
                killed.append(finished)
            time.sleep(0.2)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        report = raremap.fleet.predict(scenes, model, out, client, **OPTIONS, retries=5)
    finally:
        ended.set()
        thread.join()
    assert killed and report.failed == [] and len(report.done) == 12
    calm = raremap.fleet.predict(scenes, model, tmp_path / "calm", client, **OPTIONS)
    assert len(calm.done) == 12
    mine = {name: bytes for name, bytes in content(out).items() if ".partial" not in name}
    assert mine == content(tmp_path / "calm")


def test_without_a_client_a_local_cluster_does_it(model, scenes, tmp_path):
    report = raremap.fleet.predict(scenes[:2], model, tmp_path, **OPTIONS)
    assert report.done == ["scene00", "scene01"]


def test_scenes_of_one_name_do_not_overwrite_each_other(model, client, tmp_path):
    paths = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        paths.append(write_scene(tmp_path / str(number) / "scene.tif", make_scene(64, 64, number)))
    report = raremap.fleet.predict(paths, model, tmp_path / "out", client, **OPTIONS)
    assert len(report.done) == 2 and all(name.startswith("scene-") for name in report.done)
    masks = [(tmp_path / "out" / name / "mask.tif").read_bytes() for name in report.done]
    assert masks[0] != masks[1] and np.frombuffer(masks[0], np.uint8).size > 100
