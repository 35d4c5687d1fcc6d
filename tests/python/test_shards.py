"""`raremap predict --items`, beside the fleet on Dask, and as the manifests for Kubernetes call it."""

import json
import subprocess

import pytest
import yaml
from dask.distributed import Client

import raremap.fleet
from conftest import ROOT, content, make_scene, write_scene

OPTIONS = ["--tile", "64", "--overlap", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes, and a list of them: paths, a product of several files, a STAC Item, and what cannot be mapped."""
    folder = tmp_path_factory.mktemp("shards")
    for number in range(4):
        write_scene(folder / f"scene{number}.tif", make_scene(64, 70 + number, number))
    for name, band in zip(("green", "red", "nir"), make_scene(64, 80)):
        write_scene(folder / f"{name}.tif", band[None], [name])
    (folder / "broken.tif").write_bytes((folder / "scene0.tif").read_bytes()[:300])
    assets = {name: {"href": f"./{name}.tif", "roles": ["data"]} for name in ("nir", "green", "red")}
    item = {
        "type": "Feature", "id": "item", "properties": {"datetime": "2024-01-02T03:04:05.125Z"}, "assets": assets,
        "links": [{"rel": "self", "href": str(folder / "item.json")}],
    }
    items = [*(str(folder / f"scene{number}.tif") for number in range(4)), str(folder / "broken.tif"), item,
             [str(folder / f"{name}.tif") for name in ("green", "red", "nir")], {"id": "no item"}]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def test_shards_make_what_the_fleet_makes_byte_for_byte(model, model_path, command, folder, tmp_path):
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        report = raremap.fleet.predict(items, model, tmp_path / "fleet", client, tile=64, overlap=0)
        assert (len(report.done), len(report.failed)) == (6, 2)
        run = [command, "-q", "predict", model_path, "--items", folder / "items.jsonl", *OPTIONS, "--json", "--out", tmp_path / "shards"]
        for shard in ("0/2", "1/2"):
            subprocess.run([*run, "--shard", shard], check=True, stdout=subprocess.DEVNULL)
        done = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
        assert (done["done"], len(done["skipped"]), len(done["failed"])) == ([], 6, 2)
        ours, theirs = content(tmp_path / "fleet"), content(tmp_path / "shards")
        failures = [json.loads(files.pop("failures.json")) for files in (ours, theirs)]
        assert ours == theirs and len(ours) == 6 * 10 + 1
        codes = [[(failure["id"], failure["code"]) for failure in listed] for listed in failures]
        assert codes[0] == codes[1]
        # What the command has finished, the fleet does not map again.
        again = raremap.fleet.predict(items, model, tmp_path / "shards", client, tile=64, overlap=0)
        assert (again.done, len(again.skipped)) == ([], 6)


def manifest(name):
    """The specification of a Job, and its container."""
    job = yaml.safe_load((ROOT / f"examples/kubernetes/{name}.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return job["spec"], container


def test_the_manifests_for_kubernetes_run(model_path, command, folder, tmp_path):
    (tmp_path / "default.raremap").symlink_to(model_path)
    lines = (folder / "items.jsonl").read_text().splitlines()[:3]
    (tmp_path / "items.jsonl").write_text("\n".join(lines))
    spec, container = manifest("map")
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] <= spec["completions"]
    assert spec["backoffLimitPerIndex"] > 0 and {"requests", "limits"} == set(container["resources"])
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts.values()) == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}

    def run(container, index=None):
        # As the kubelet does it.
        words = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in container["command"]]
        assert words[0] == "raremap" and all(word.startswith("/data/") for word in words if word.startswith("/"))
        words = [word.replace("/data/", f"{tmp_path}/") for word in words[1:]]
        return subprocess.run([command, "-q", *words, *OPTIONS], check=True, capture_output=True, text=True).stdout

    last = spec["completions"] - 1
    printed = [run(container, index) for index in (0, 1, 2, last)]
    assert [text.splitlines()[0] for text in printed] == ["1 mapped, 0 finished before, 0 failed"] * 3 + ["0 mapped, 0 finished before, 0 failed"]
    assert not (tmp_path / "results/collection.json").exists()
    _, collect = manifest("collect")
    assert "3 finished before" in run(collect) and (tmp_path / "results/collection.json").exists()
    assert all(collect[key] == container[key] for key in ("image", "resources", "env"))
    assert {"name": "RAYON_NUM_THREADS", "value": "1"} in container["env"]
    shard = [word for word in container["command"] if word not in collect["command"]]
    assert shard == ["--shard", f"$(JOB_COMPLETION_INDEX)/{spec['completions']}", "--max-failures", "10"]
