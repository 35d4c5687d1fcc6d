"""Models, and what they make of an array."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime as Datetime
from datetime import timezone
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raremap import _native

Bands = str | Sequence[str | None] | Mapping[str, int]
Progress = Callable[[int, int], object]
Path = str | os.PathLike[str]

MASK_NODATA = 255
"""Value of pixels without data in masks and in marks of top-k."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a model makes of an array of ``y`` rows and ``x`` columns."""

    mask: NDArray[np.uint8]
    """``[y, x]``: the value of each pixel's class, 255 without data."""
    probability: NDArray[np.float32]
    """``[rare class, y, x]``, in the order of ``rare_classes``: the auxiliary head's probability, 0 to 1, NaN without data."""
    saliency: NDArray[np.float32]
    """``[y, x]``: the probability of any rare class, 0 to 1, NaN without data."""
    top_k: NDArray[np.uint8]
    """``[y, x]``: 1 where a pixel is among the most salient of the scene, 0 where it is not, 255 without data."""
    rare_classes: tuple[str, ...]
    """Names of the model's rare classes."""
    report: dict[str, Any] = field(repr=False)
    """How the array was run: bands, options, tiles, notices, warnings, figures."""

    @property
    def areas(self) -> list[dict[str, Any]]:
        """Each class with its value, name, color, pixels, percent of the valid pixels, and hectares (``None`` if the place is not known)."""
        return self.report["areas"]

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What to know before trusting the map, each with a stable ``code`` and a ``message``."""
        return self.report["warnings"]


class Model:
    """A weights file that was verified and whose golden tile this machine computes. :func:`load_model` makes one.

    Models can be pickled; a process that unpickles the same weights twice builds the network once.
    """

    def __init__(self, native: _native.Model) -> None:
        self._native = native

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the network is, what it needs and where it comes from: a STAC Item with the MLM extension."""
        return json.loads(self._native.card)

    @property
    def sha256(self) -> str:
        """Digest of the weights file, 64 hexadecimal digits."""
        return self._native.sha256

    @property
    def path(self) -> str:
        """Where the weights file was read from."""
        return os.fspath(self._native.path)

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands that a scene must have, such as ``("green", "red", "nir")``."""
        return tuple(self._native.required_bands)

    @cached_property
    def optional_bands(self) -> tuple[str, ...]:
        """Names of the bands that are used where a scene has them, such as ``("blue", "swir1")``."""
        return tuple(self._native.optional_bands)

    @cached_property
    def classes(self) -> dict[int, str]:
        """Name of each value in masks."""
        return {value: name for value, name, _ in self._native.classes}

    @cached_property
    def colors(self) -> dict[int, tuple[int, int, int]]:
        """Red, green and blue of each value in masks, 0 to 255."""
        return {value: tuple(color) for value, _, color in self._native.classes}  # type: ignore[misc]

    @cached_property
    def rare_classes(self) -> tuple[str, ...]:
        """Names of the classes that the auxiliary head looks for."""
        return tuple(self._native.rare_classes)

    def segment(
        self,
        array: ArrayLike,
        bands: Bands | None = None,
        nodata: float | None = None,
        threshold: float = 0.5,
        rare: Sequence[str] | None = None,
        top_k: float = 20.0,
        *,
        match: str = "auto",
        tile: int | None = None,
        overlap: int | None = None,
        crs: Any = None,
        transform: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Segmentation:
        """Maps a scene in memory, with the defaults of ``raremap predict``.

        The array is read where it is, window by window, whatever its strides; only types other than integers of up to 32 bits and floats of 32
        or 64 bits are converted. The interpreter is free while the network runs.

        :param array: ``[band, y, x]``, in the scene's own numbers.
        :param bands: which band is which. The names of the array's bands in their order, with ``None`` for those that do not count
            (``["blue", "green", "red", "nir"]``); or the number of each band of the model, from 1 as in rasterio and the command
            (``{"green": 2, "red": 3, "nir": 4}`` or ``"green=2,red=3,nir=4"``). Without it they are guessed, and a warning says how.
        :param nodata: the value of pixels without data. NaN and infinity never count as data.
        :param threshold: a pixel takes a rare class if its probability is at least this; 1 switches this off.
        :param rare: rare classes to look for; all of the model's if not given, none if empty.
        :param top_k: share of the scene that top-k marks, in percent.
        :param match: how values are made like those of training: ``"auto"``, ``"units"``, ``"percentiles"`` or ``"off"``.
        :param tile: tile edge in pixels, a multiple of 32; the model's if not given.
        :param overlap: pixels that neighbouring tiles share, a multiple of 32; a quarter of the tile if not given.
        :param crs: the coordinate reference system: an EPSG code, ``"EPSG:32643"``, or rasterio's or pyproj's object.
        :param transform: ``a, b, c, d, e, f`` of the affine map from pixels (rasterio's ``transform``). With ``crs``, areas are in
            hectares, and the model is told how large a pixel is.
        :param progress: called with the number of tiles that are done and of all tiles; what it raises ends the run.
        :raises RaremapError: for options or an array that the model cannot use.
        """
        names, spec = names_and_spec(bands)
        (mask, probability, saliency), marks, report = self._native.segment(
            supported(array),
            names=names,
            bands=spec,
            nodata=nodata,
            place=place_of(crs, transform),
            threshold=threshold,
            rare=list_of(rare),
            top_k=top_k,
            matching=match,
            tile=tile,
            overlap=overlap,
            progress=progress,
        )
        return Segmentation(mask, probability, saliency, marks, self.rare_classes, json.loads(report))

    def segment_file(
        self,
        path: Path | Sequence[Path],
        out: Path,
        bands: Bands | None = None,
        threshold: float = 0.5,
        rare: Sequence[str] | None = None,
        top_k: float = 20.0,
        *,
        match: str = "auto",
        resample: str = "off",
        reflectance: str = "auto",
        empty_border: str = "auto",
        tile: int | None = None,
        overlap: int | None = None,
        probability: str = "u8",
        polygons_crs: str = "wgs84",
        min_area_ha: float = 0.0,
        review_limit: int = 200,
        datetime: Datetime | str | None = None,
        created: Datetime | str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Maps the files of a scene into the folder ``out``: the files and bytes of ``raremap predict`` (docs/results.md).

        :param path: a GeoTIFF, a zip archive or a folder that contains a product, or a list of the files of one product. Files and archives can be
            addresses (``https://...``), of which only the parts that are needed are requested.
        :param bands: the number from 1, or the file, of each band of the model: ``{"green": 2, "red": 3, "nir": 4}`` or
            ``"green=BAND2.tif,red=BAND3.tif,nir=BAND4.tif"``. Without it they are guessed by names, as in the command.
        :param resample: when to run at the model's resolution: ``"auto"``, ``"on"`` or ``"off"``.
        :param reflectance: ``"auto"`` converts the numbers of a known product to reflectance, ``"off"`` does not.
        :param empty_border: ``"auto"`` takes zeros at the scene's edge for missing data, ``"off"`` for values.
        :param probability: samples of probability.tif and saliency.tif, ``"u8"`` or ``"f32"``.
        :param polygons_crs: coordinates of polygons and the review list, ``"wgs84"`` or ``"scene"``.
        :param min_area_ha: leaves out smaller polygons, in hectares.
        :param review_limit: largest number of places in the review list.
        :param datetime: when the scene was taken, for the STAC Item; what the product says if not given.
        :param created: when the files were made, for the STAC Item; without it, equal runs give equal files.
        :returns: the content of summary.json.
        :raises RaremapError: ``code`` is that of the command's ``--json``. No file is then half written.

        The other parameters are those of :meth:`segment`.
        """
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        options = file_options(
            self,
            bands=bands,
            threshold=threshold,
            rare=rare,
            top_k=top_k,
            match=match,
            resample=resample,
            reflectance=reflectance,
            empty_border=empty_border,
            tile=tile,
            overlap=overlap,
            probability=probability,
            polygons_crs=polygons_crs,
            min_area_ha=min_area_ha,
            review_limit=review_limit,
            datetime=datetime,
            created=created,
        )
        return json.loads(self._native.segment_file(paths, out, options, progress))

    def __repr__(self) -> str:
        return repr(self._native)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._native.weights, self.path)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("raremap.Model", self.sha256)


def load_model(path: Path) -> Model:
    """Reads and verifies a weights file (``*.raremap``), and checks that this machine computes its golden tile.

    :raises RaremapError: if the file is not a whole, unaltered weights file, or this machine computes other numbers than it states.
    """
    return Model(_native.Model.read(path))


_restored: weakref.WeakValueDictionary[str, Model] = weakref.WeakValueDictionary()
_restoring = threading.Lock()


def _restore(weights: bytes, path: str) -> Model:
    key = hashlib.sha256(weights).hexdigest()
    with _restoring:
        model = _restored.get(key)
        if model is None:
            model = _restored[key] = Model(_native.Model.from_bytes(weights, path))
        return model


def misuse(message: str) -> _native.RaremapError:
    """The exception for what a caller got wrong."""
    error = _native.RaremapError(message)
    error.code = "misuse"
    return error


def file_options(
    model: Model,
    *,
    bands: Bands | None,
    rare: Sequence[str] | None,
    datetime: Datetime | str | None,
    created: Datetime | str | None,
    **others: Any,
) -> dict[str, Any]:
    """The keywords of :meth:`Model.segment_file`, as the native module takes them."""
    names, spec = names_and_spec(bands)
    if names is not None:
        known = (*model.bands, *model.optional_bands)
        spec = ",".join(f"{name}={number}" for number, name in enumerate(names, 1) if name in known)
    times = {"datetime": rfc3339(datetime), "created": rfc3339(created)}
    return {**others, **times, "bands": spec, "rare": list_of(rare)}


def supported(array: ArrayLike) -> NDArray[Any]:
    """The array itself if its type is one that is read in place, otherwise a converted copy."""
    array = np.asarray(array)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        array = array.view(np.uint8)
    elif kind == "f" and size < 4:
        array = array.astype(np.float32)
    elif (kind in "iu" and size > 4) or (kind == "f" and size > 8):
        array = array.astype(np.float64)
    elif kind not in "iuf":
        raise misuse(f"the array has the type {array.dtype}; it must have integers or floats")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.require(array, requirements="A")


def names_and_spec(bands: Bands | None) -> tuple[list[str | None] | None, str | None]:
    """Names of the array's bands, or an assignment in the command's spelling."""
    if bands is None:
        return None, None
    if isinstance(bands, str):
        return None, bands
    if isinstance(bands, Mapping):
        return None, ",".join(f"{name}={number}" for name, number in bands.items())
    return list(bands), None


def list_of(names: Sequence[str] | None) -> list[str] | None:
    """Names as a list; one name alone would be taken for its letters."""
    if isinstance(names, str):
        return [names]
    return None if names is None else list(names)


def place_of(crs: Any, transform: Sequence[float] | None) -> Any:
    """The EPSG code, whether it is geographic, and the transform; ``None`` if one of them is not known."""
    if crs is None or transform is None:
        return None
    a, b, c, d, e, f = (float(number) for number in tuple(transform)[:6])
    epsg, geographic = None, None
    if hasattr(crs, "to_epsg"):
        epsg, geographic = crs.to_epsg(), crs.is_geographic
    else:
        text = str(crs).strip().upper().removeprefix("EPSG:")
        if not text.isdecimal():
            raise misuse(f"the coordinate reference system is {crs!r}; it must be an EPSG code, or rasterio's or pyproj's object")
        epsg = int(text)
        # The codes of geographic systems in the EPSG registry.
        geographic = 4000 <= epsg < 5000
    if epsg is None or not 0 < epsg < 2**16:
        return None
    return epsg, geographic, (a, b, c, d, e, f)


def rfc3339(time: Datetime | str | None) -> str | None:
    """A time in UTC, as STAC Items have it."""
    if time is None:
        return None
    if isinstance(time, str):
        try:
            time = Datetime.fromisoformat(time)
        except ValueError:
            raise misuse(f"{time!r} is not a time, such as 2024-02-03T05:06:07Z") from None
    if time.tzinfo is None:
        raise misuse(f"{time.isoformat()} has no time zone; in UTC it ends in Z")
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
