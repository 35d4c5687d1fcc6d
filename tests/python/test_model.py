"""NumPy arrays and files, compared with the command."""

import io
import json
import pickle
import signal
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
import rasterio

import raremap
from conftest import BANDS, NODATA, content, write_scene

TILE = 128


def same(first, second):
    return np.array_equal(np.asarray(first), np.asarray(second), equal_nan=np.asarray(first).dtype.kind == "f")


def test_the_card_says_what_the_model_is(model, model_path):
    assert model.bands == ("green", "red", "nir") and model.rare_classes == ("water", "wetland")
    assert model.classes[list(model.classes)[0]] == "forest" and len(model.colors) == len(model.classes)
    described = raremap.inspect(model_path)
    assert described["kind"] == "model" and described["sha256"] == model.sha256
    assert described["card"] == model.card and model.card["properties"]["mlm:framework"] == "burn"


def test_an_array_gives_the_pixels_of_the_commands_files(model, scene, scene_path, tmp_path):
    result = model.segment(scene, bands=BANDS, nodata=NODATA, tile=TILE)
    model.segment_file(scene_path, tmp_path, tile=TILE, probability="f32")
    for name, array in [("mask", result.mask), ("saliency", result.saliency), ("probability", result.probability)]:
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            read = file.read()
            assert same(read if array.ndim == 3 else read[0], array), name
    assert (result.mask == 255).sum() == (scene == NODATA).all(axis=0).sum() > 0
    assert np.array_equal(result.mask == 255, np.isnan(result.saliency))
    valid = result.mask != 255
    for area in result.areas:
        assert area["pixels"] == (result.mask[valid] == area["value"]).sum() and area["hectares"] is None
    share = (result.top_k[valid] == 1).mean()
    assert 0.2 <= share < 0.21 and set(np.unique(result.top_k)) == {0, 1, 255}
    water = result.areas[[area["name"] for area in result.areas].index("water")]
    assert water["percent"] > 5 and "warnings" in result.report


def test_files_are_those_of_the_command_byte_for_byte(model, model_path, scene_path, command, tmp_path):
    options = ["--tile", str(TILE), "--threshold", "0.4", "--rare", "water", "--top-k", "5", "--min-area-ha", "0.05",
               "--datetime", "2024-02-03T05:06:07Z"]
    subprocess.run([command, "-q", "predict", model_path, scene_path, "--out", tmp_path / "command", *options], check=True,
                   stdout=subprocess.DEVNULL)
    summary = model.segment_file(
        scene_path, tmp_path / "package", tile=TILE, threshold=0.4, rare=["water"], top_k=5, min_area_ha=0.05,
        datetime="2024-02-03T06:06:07+01:00",
    )
    names = sorted(path.name for path in (tmp_path / "command").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "package").iterdir()) and len(names) == 9
    for name in set(names) - {"summary.json"}:
        assert (tmp_path / "command" / name).read_bytes() == (tmp_path / "package" / name).read_bytes(), name
    other = json.loads((tmp_path / "command/summary.json").read_text())
    assert summary == json.loads((tmp_path / "package/summary.json").read_text())
    for report in (summary, other):
        del report["timings"], report["outputs"]
    assert summary == other


def test_a_scene_on_a_server_gives_the_bytes_of_the_file(model, scene, served, tmp_path):
    folder, address = served
    write_scene(folder / "scene.tif", scene)
    (folder / "scene.zip").write_bytes(zipped := zip_of(folder / "scene.tif"))
    model.segment_file(folder / "scene.tif", tmp_path / "file", tile=TILE)
    model.segment_file(f"{address}/scene.tif?signature=secret/x", tmp_path / "server", tile=TILE)
    files = [content(tmp_path / name) for name in ("file", "server")]
    summaries = [json.loads(found.pop("summary.json")) for found in files]
    assert files[0] == files[1] and summaries[0]["areas"] == summaries[1]["areas"]
    assert not any(b"secret" in text for text in files[1].values())
    summary = model.segment_file(f"{address}/scene.zip", tmp_path / "archive", tile=TILE)
    assert summary["areas"] == summaries[0]["areas"] and len(zipped) > 1000
    with pytest.raises(raremap.RaremapError) as raised:
        model.segment_file(f"{address}/absent.tif", tmp_path / "absent")
    assert raised.value.code == "http_not_found" and "absent.tif" in str(raised.value)


def zip_of(path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    return packed.getvalue()


def test_layout_and_type_of_the_array_change_nothing(model, scene):
    scene = scene[:, :150, :170]
    expected = model.segment(scene, bands=BANDS, nodata=NODATA, tile=TILE)
    by_pixel = np.ascontiguousarray(scene.transpose(1, 2, 0)).transpose(2, 0, 1)
    backwards = np.ascontiguousarray(scene[:, ::-1, ::-1])[:, ::-1, ::-1]
    odd = np.zeros((5, *scene.shape[1:]), np.int32)
    odd[[4, 0, 2]] = scene
    floats = np.where(scene == NODATA, np.nan, scene.astype(np.float32))
    cases = {
        "by pixel": (by_pixel, BANDS),
        "backwards": (backwards, BANDS),
        "other order": (odd, {"green": 5, "red": 1, "nir": 3}),
        "as text": (odd, "green=5,red=1,nir=3"),
        "names": (odd, ["red", None, "nir", None, "green"]),
        "float": (floats, BANDS),
        "double": (floats.astype(np.float64), BANDS),
        "64 bits": (scene.astype(np.int64), BANDS),
        "other byte order": (scene.astype(">u2"), BANDS),
    }
    for name, (array, bands) in cases.items():
        result = model.segment(array, bands=bands, nodata=NODATA, tile=TILE)
        assert same(result.mask, expected.mask) and same(result.probability, expected.probability), name


def test_an_array_is_read_where_it_is(model):
    """The results of 32 MB take less memory than a copy of the array would."""
    # Not getrusage: its peak comes down from the process that started this one.
    code = """
import numpy as np, raremap, sys
def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
model = raremap.load_model(sys.argv[1])
model.segment(np.ones((3, 64, 64), np.uint16), bands=["green", "red", "nir"], tile=64)
bands, size = 60, 1024
array = np.zeros((bands, size, size), np.float32)
array[:3] = 500
before = peak_mib()
array[3:] = 1
full = peak_mib()
model.segment(array, bands=["green", "red", "nir"] + [None] * (bands - 3), tile=64, overlap=0, match="off", rare=[])
after = peak_mib()
print(full - before, after - full)
"""
    done = subprocess.run([sys.executable, "-c", code, model.path], capture_output=True, text=True, check=True)
    held, taken = map(float, done.stdout.split())
    assert held > 150 and taken < 0.6 * held, done.stdout


def test_areas_are_in_hectares_where_the_place_is_known(model, scene, scene_path, tmp_path):
    with rasterio.open(scene_path) as file:
        crs, transform = file.crs, file.transform
    summary = model.segment_file(scene_path, tmp_path, tile=TILE)
    for system in (crs, "EPSG:32633", 32633):
        result = model.segment(scene, bands=BANDS, nodata=NODATA, tile=TILE, crs=system, transform=transform)
        assert result.areas == summary["areas"] and result.areas[0]["hectares"] is not None


def test_values_are_matched_as_in_the_command(model, scene, tmp_path):
    reflectance = (scene / 10_000).astype(np.float32)
    path = write_scene(tmp_path / "reflectance.tif", reflectance)
    result = model.segment(reflectance, bands=BANDS, nodata=NODATA, tile=TILE)
    summary = model.segment_file(path, tmp_path / "out", tile=TILE)
    assert result.report["matched"] == summary["options"]["matched"] and result.report["matched"]["method"] == "units"
    with rasterio.open(tmp_path / "out/mask.tif") as file:
        assert same(file.read(1), result.mask)
    unmatched = model.segment(reflectance, bands=BANDS, nodata=NODATA, tile=TILE, match="off")
    assert unmatched.report["matched"] is None and not same(unmatched.mask, result.mask)


def test_errors_have_the_code_of_the_command(model, scene, tmp_path):
    (tmp_path / "text.tif").write_text("no image")
    calls = {
        "not_a_tiff": lambda: model.segment_file(tmp_path / "text.tif", tmp_path / "out"),
        "source_failed": lambda: model.segment_file(tmp_path / "absent.tif", tmp_path / "out"),
        "model_malformed": lambda: raremap.load_model(tmp_path / "text.tif"),
        "too_few_bands": lambda: model.segment(scene[:2]),
    }
    misuses = [
        lambda: model.segment(scene, bands=BANDS, threshold=2),
        lambda: model.segment(scene, bands=BANDS, rare=["sand"]),
        lambda: model.segment(scene, bands=BANDS, rare=["water", "water"]),
        lambda: model.segment(scene, bands=BANDS, top_k=101),
        lambda: model.segment(scene, bands=BANDS, match="perhaps"),
        lambda: model.segment(scene, bands=BANDS, tile=100),
        lambda: model.segment(scene, bands=BANDS[:2]),
        lambda: model.segment(scene, bands={"green": 1, "red": 2, "nir": 4}),
        lambda: model.segment(scene[0], bands=BANDS),
        lambda: model.segment(np.zeros((3, 0, 5)), bands=BANDS),
        lambda: model.segment(scene.astype(complex), bands=BANDS),
        lambda: model.segment_file([], tmp_path / "out"),
        lambda: model.segment_file(tmp_path / "absent.tif", tmp_path / "out", datetime="yesterday"),
    ]
    for code, call in [*calls.items(), *(("misuse", call) for call in misuses)]:
        with pytest.raises(raremap.RaremapError) as raised:
            call()
        assert raised.value.code == code and str(raised.value), raised.value
        copy = pickle.loads(pickle.dumps(raised.value))
        assert (copy.code, str(copy)) == (code, str(raised.value))
    assert not (tmp_path / "out").exists()


def test_progress_counts_the_tiles_and_what_it_raises_ends_the_run(model, scene):
    seen = []
    model.segment(scene, bands=BANDS, tile=TILE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)] and len(seen) > 20

    class Enough(Exception):
        pass

    def stop(done, total):
        if done == 3:
            raise Enough

    with pytest.raises(Enough):
        model.segment(scene, bands=BANDS, tile=TILE, progress=stop)


@pytest.fixture
def interruptible():
    """Python's answer to Ctrl-C, which it does not set up where a shell runs it in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_run_between_tiles(interruptible, model, scene_path, tmp_path):
    large = np.ones((3, 2000, 2000), np.uint16)

    def press(done, total):
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    for run in (
        lambda: model.segment(large, bands=BANDS, tile=TILE, progress=press),
        lambda: model.segment_file(scene_path, tmp_path / "out", tile=64, progress=press),
    ):
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run()
        assert time.monotonic() - began < 20
    assert not (tmp_path / "out/summary.json").exists()


def test_the_interpreter_is_free_while_the_network_runs(model, scene):
    turns = []
    done = threading.Event()

    def count():
        while not done.is_set():
            turns.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    began = time.monotonic()
    model.segment(scene, bands=BANDS, tile=TILE)
    took = time.monotonic() - began
    done.set()
    thread.join()
    during = [turn for turn in turns if began < turn < began + took]
    assert len(during) > 50 * took, f"{len(during)} turns in {took:.2f} s"


def test_a_model_travels_between_processes(model, scene):
    copy = pickle.loads(pickle.dumps(model))
    assert copy.sha256 == model.sha256 and copy is pickle.loads(pickle.dumps(model))
    part = scene[:, 150:250, 150:250]
    assert same(copy.segment(part, bands=BANDS, tile=TILE).mask, model.segment(part, bands=BANDS, tile=TILE).mask)


def test_a_geotiff_is_described_as_by_the_command(scene_path, scene, command):
    described = raremap.inspect(scene_path, checksums=True)
    assert described["width"] == scene.shape[2] and described["bands"][0]["name"] == "green"
    done = subprocess.run([command, "inspect", scene_path, "--json", "--checksums"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == described
