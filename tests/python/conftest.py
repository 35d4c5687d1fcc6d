"""Scenes and the default model, for the tests of the Python package."""

import functools
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio

import raremap

ROOT = Path(__file__).resolve().parents[2]
BANDS = ["green", "red", "nir"]
NODATA = 0


def make_scene(height: int, width: int, seed: int = 1) -> np.ndarray:
    """Land with lakes and a corner without data, ``[green, red, nir]``, surface reflectance times 10,000."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    is_lake = np.sin(y / 17 + seed) + np.cos(x / 23) > 0.9
    land, water = np.array([900, 800, 2800]), np.array([700, 450, 250])
    scene = np.where(is_lake, water[:, None, None], land[:, None, None]) + random.normal(0, 60, (3, height, width))
    scene = np.clip(scene, 1, 10_000).astype(np.uint16)
    scene[:, y + x < height // 4] = NODATA
    return scene


def write_scene(path: Path, scene: np.ndarray, descriptions=BANDS, metres=10) -> Path:
    profile = {
        "driver": "GTiff", "dtype": scene.dtype, "count": len(scene), "height": scene.shape[1], "width": scene.shape[2],
        "crs": "EPSG:32633", "transform": rasterio.Affine(metres, 0, 300_000, 0, -metres, 5_000_000), "nodata": NODATA,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(scene)
        file.descriptions = descriptions
    return path


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of all files, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def model_path() -> Path:
    return ROOT / "web/models/default.raremap"


@pytest.fixture(scope="session")
def model(model_path):
    return raremap.load_model(model_path)


@pytest.fixture(scope="session")
def scene() -> np.ndarray:
    return make_scene(330, 401)


@pytest.fixture(scope="session")
def scene_path(scene, tmp_path_factory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scenes") / "scene.tif", scene)


@pytest.fixture(scope="session")
def command() -> str:
    """The command, to compare with."""
    path = os.environ.get("RAREMAP_COMMAND", "")
    if not path:
        pytest.skip("the command is not built (RAREMAP_COMMAND names it)")
    return path


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Parts of files, which Python's own server does not give."""

    def do_GET(self):
        path = Path(self.directory) / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A folder, and its address on a server."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_Ranges, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
