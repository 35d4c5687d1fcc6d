"""The native module. Call the package around it: this module may change between versions."""

from os import PathLike
from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__version__: str

class RaremapError(Exception):
    """Something could not be done. ``code`` is a short name of the failure, which is stable between versions; the text is for people."""

    code: str

_Maps = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
_Place = tuple[int, bool, tuple[float, float, float, float, float, float]]
_SceneFailure = tuple[str, str, str]

class Model:
    weights: bytes
    path: Any
    sha256: str
    card: str
    classes: list[tuple[int, str, bytes]]
    rare_classes: list[str]
    required_bands: list[str]
    optional_bands: list[str]
    @staticmethod
    def read(path: str | PathLike[str]) -> Model: ...
    @staticmethod
    def from_bytes(bytes: bytes, path: str | PathLike[str]) -> Model: ...
    def segment(
        self,
        array: NDArray[Any],
        *,
        names: Sequence[str | None] | None = None,
        bands: str | None = None,
        nodata: float | None = None,
        place: _Place | None = None,
        threshold: float = 0.5,
        rare: Sequence[str] | None = None,
        top_k: float = 20.0,
        matching: str = "auto",
        tile: int | None = None,
        overlap: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[_Maps, NDArray[np.uint8], str]: ...
    def assign(self, names: Sequence[str | None], bands: str | None = None) -> list[int | None]: ...
    def check_options(
        self, *, threshold: float, rare: Sequence[str] | None, top_k: float, matching: str
    ) -> None: ...
    def block_window(
        self,
        scene: tuple[int, int],
        block: tuple[int, int, int, int],
        tile: int | None = None,
        overlap: int | None = None,
    ) -> list[int]: ...
    def match_values(
        self,
        preview: NDArray[Any],
        *,
        bands: Sequence[int],
        nodata: float | None = None,
        matching: str = "auto",
    ) -> tuple[tuple[list[list[float]], bool] | None, str]: ...
    def segment_block(
        self,
        window: NDArray[Any],
        *,
        scene: tuple[int, int],
        block: tuple[int, int, int, int],
        bands: Sequence[int],
        matched: tuple[Sequence[Sequence[float]], bool] | None = None,
        ground_resolution_m: float | None = None,
        nodata: float | None = None,
        threshold: float = 0.5,
        rare: Sequence[str] | None = None,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> _Maps: ...
    def segment_file(
        self,
        inputs: Sequence[str | PathLike[str]],
        out: str | PathLike[str],
        options: dict[str, Any],
        progress: Callable[[int, int], object] | None = None,
    ) -> str: ...

def inspect(path: str | PathLike[str], checksums: bool, statistics: bool) -> str: ...
def preview_steps(height: int, width: int) -> list[int]: ...
def ground_resolution_m(height: int, width: int, place: _Place | None = None) -> float | None: ...
def count_saliency(saliency: NDArray[np.float32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def cut_saliency(
    blocks: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint32]]], percent: float
) -> tuple[float, int, int]: ...
def mark_top_k(saliency: NDArray[np.float32], first_bin: int) -> NDArray[np.uint8]: ...
def plan_fleet(
    model: Model, items: Sequence[str], out: str | PathLike[str], options: dict[str, Any]
) -> tuple[list[tuple[str, str]], list[str], list[_SceneFailure]]: ...
def map_scene(
    model: Model, scene: str, out: str | PathLike[str], options: dict[str, Any]
) -> tuple[_SceneFailure, bool] | None: ...
def finish_fleet(
    out: str | PathLike[str], ids: Sequence[str], failures: Sequence[_SceneFailure], title: str
) -> Any: ...
def write_failures(out: str | PathLike[str], failures: Sequence[_SceneFailure]) -> None: ...
