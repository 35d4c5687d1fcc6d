"""Many scenes on a local cluster."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

import numpy as np
import pystac
import pytest
from dask.distributed import Client, LocalCluster

import raremap
import raremap.fleet
from conftest import content, make_scene, write_scene

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
        item("remote", {"image": ("s3://bucket/scene.tif", "data")}),
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


def test_assets_on_a_server_are_scenes(model, served, client, tmp_path):
    folder, address = served
    for name, band in zip(("green", "red", "nir"), make_scene(64, 80)):
        write_scene(folder / f"{name}.tif", band[None], [name])
    assets = {name: {"href": f"./{name}.tif", "roles": ["data"]} for name in ("nir", "green", "red")}
    item = {"id": "remote", "assets": assets, "links": [{"rel": "self", "href": f"{address}/item.json"}]}
    items = [item, f"{address}/absent.tif"]
    report = raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS)
    assert report.done == ["remote"] and [failure.code for failure in report.failed] == ["http_not_found"]
    alone = model.segment_file([folder / f"{name}.tif" for name in ("green", "red", "nir")], tmp_path / "alone", **OPTIONS)
    assert alone["areas"] == json.loads((tmp_path / "out/remote/summary.json").read_text())["areas"]


def test_too_many_failures_end_the_call_and_a_later_one_goes_on(model, scenes, client, tmp_path):
    items = [*scenes[:4], *(tmp_path / f"absent{number}.tif" for number in range(3))]
    with pytest.raises(raremap.fleet.TooManyFailures) as raised:
        raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS, retries=0, max_failures=1)
    assert raised.value.code == "too_many_failures" and len(raised.value.report.failed) == 2
    listed = json.loads((tmp_path / "out/failures.json").read_text())
    assert [failure["id"] for failure in listed] == sorted(failure.id for failure in raised.value.report.failed)
    assert not (tmp_path / "out/collection.json").exists()
    report = raremap.fleet.predict(items, model, tmp_path / "out", client, **OPTIONS, retries=0, max_failures=3)
    assert len(report.done) + len(report.skipped) == 4 and len(report.failed) == 3


@pytest.fixture(scope="module")
def many(model_path, command, tmp_path_factory):
    """200 scenes, a list of them, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("many")
    paths = [write_scene(folder / f"scene{number:03}.tif", make_scene(64, 64 + number % 9, number)) for number in range(200)]
    (folder / "items.txt").write_text("\n".join(map(str, paths)))
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    arguments = ["-q", "predict", model_path, "--items", folder / "items.txt", "--out", folder / "alone", *options]
    subprocess.run([command, *arguments], check=True, stdout=subprocess.DEVNULL)
    return paths, content(folder / "alone")


def whole(folder):
    """What is complete; a process that was killed leaves the folders of its scenes for the next call to remove."""
    return {name: bytes for name, bytes in content(folder).items() if not name.startswith(".partial-")}


def test_workers_that_are_killed_lose_no_scene_and_leave_no_half(model, many, client, tmp_path):
    scenes, alone = many
    out = tmp_path / "out"
    killed = []
    ended = threading.Event()
    random = np.random.default_rng()

    def kill():
        while len(killed) < 5 and not ended.is_set():
            finished = len(list(out.glob("scene*"))) if out.exists() else 0
            # Spread over the run, at times of chance.
            if finished < 30 * len(killed) + 10:
                time.sleep(0.05)
                continue
            time.sleep(random.uniform(0, 0.5))
            try:
                pids = list(client.run(os.getpid).values())
            except (OSError, KeyError, ValueError):
                pids = []
            if pids:
                os.kill(int(random.choice(pids)), signal.SIGKILL)
                killed.append(finished)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        report = raremap.fleet.predict(scenes, model, out, client, **OPTIONS)
    finally:
        ended.set()
        thread.join()
    assert len(killed) == 5 and report.failed == [] and len(report.done) == len(scenes)
    assert whole(out) == alone


def full(*, bytes):
    """Makes files larger than `bytes` fail in this process, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_what_one_worker_cannot_write_another_one_does(model, scenes, client, tmp_path):
    first, *_ = sorted(client.nthreads())
    client.run(full, bytes=500, workers=[first])
    try:
        report = raremap.fleet.predict(scenes, model, tmp_path / "out", client, **OPTIONS)
    finally:
        client.run(full, bytes=resource.RLIM_INFINITY, workers=[first])
    assert report.failed == [] and len(report.done) == len(scenes)
    calm = raremap.fleet.predict(scenes, model, tmp_path / "calm", client, **OPTIONS)
    assert len(calm.done) == len(scenes) and content(tmp_path / "out") == content(tmp_path / "calm")


def test_where_no_worker_can_write_the_scenes_are_listed(model, scenes, client, tmp_path):
    client.run(full, bytes=500)
    try:
        report = raremap.fleet.predict(scenes[:3], model, tmp_path, client, **OPTIONS, retries=1)
    finally:
        client.run(full, bytes=resource.RLIM_INFINITY)
    assert [failure.code for failure in report.failed] == ["write_failed"] * 3 and report.done == []
    assert sorted(content(tmp_path)) == ["collection.json", "failures.json"]
    report = raremap.fleet.predict(scenes[:3], model, tmp_path, client, **OPTIONS)
    assert len(report.done) == 3


class Cluster:
    """A scheduler and two workers as processes of their own."""

    def __init__(self, folder):
        folder.mkdir()
        place = folder / "scheduler.json"
        python = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
        environment = os.environ | {"RAYON_NUM_THREADS": "1"}
        options = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=folder)
        self.scheduler = subprocess.Popen([*python, "--port=0", "--no-dashboard", f"--scheduler-file={place}"], **options)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", f"--scheduler-file={place}", "--nthreads=1", "--no-nanny",
                  "--no-dashboard", "--death-timeout=60"]
        self.workers = [subprocess.Popen(worker, **options) for _ in range(2)]
        self.client = Client(scheduler_file=str(place), timeout=60)
        self.client.wait_for_workers(2, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close(timeout=1)
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def test_after_the_scheduler_was_restarted_a_call_goes_on(model, many, tmp_path):
    scenes, alone = many
    scenes, out = scenes[:40], tmp_path / "out"
    with Cluster(tmp_path / "first") as cluster:

        def kill():
            while len(list(out.glob("scene*"))) < 10:
                time.sleep(0.05)
            cluster.scheduler.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        report = raremap.fleet.predict(scenes, model, out, cluster.client, **OPTIONS)
        thread.join()
    lost = [failure.id for failure in report.failed]
    assert lost and {failure.code for failure in report.failed} == {"cancelled"} and len(lost) + len(report.done) == len(scenes)
    with Cluster(tmp_path / "second") as cluster:
        again = raremap.fleet.predict(scenes, model, out, cluster.client, **OPTIONS)
    assert again.failed == [] and set(again.skipped) >= set(report.done) and len(again.done) + len(again.skipped) == len(scenes)
    made = whole(out)
    assert len(made) == 40 * 10 + 2
    assert {name: alone[name] for name in made if "/" in name} == {name: bytes for name, bytes in made.items() if "/" in name}



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


def test_a_system_may_not_say_how_many_cores_are_for_this_process(monkeypatch):
    for name in ("process_cpu_count", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    assert raremap.fleet._cores() == os.cpu_count()
