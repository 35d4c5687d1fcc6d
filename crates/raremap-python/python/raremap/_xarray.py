"""``.raremap`` on xarray's Datasets and DataArrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from raremap._blocks import segment_blocks
from raremap._model import MASK_NODATA, Bands, Model, Progress, list_of, misuse, names_and_spec, place_of

_AXES = (("y", "x"), ("latitude", "longitude"), ("lat", "lon"), ("northing", "easting"))


class _Accessor:
    def __init__(self, scene: xr.Dataset | xr.DataArray) -> None:
        self._scene = scene

    def segment(
        self,
        model: Model,
        bands: Bands | None = None,
        nodata: float | None = None,
        threshold: float = 0.5,
        rare: Sequence[str] | None = None,
        top_k: float = 20.0,
        *,
        match: str = "auto",
        tile: int | None = None,
        overlap: int | None = None,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """Maps the scene; the parameters are those of :meth:`raremap.Model.segment`.

        The scene is a DataArray with the axes band, y and x, or a Dataset whose variables with the axes y and x are the bands. Bands are known
        by their names (coordinates, variables, or GDAL's descriptions in ``long_name``) unless ``bands`` says otherwise. The nodata value and
        the place come from rioxarray's accessor if it is installed.

        A chunked scene stays lazy, and every pixel comes out as it does when the scene is in memory, whatever the chunks: each block is computed
        from all windows of the whole scene's plan that touch it.

        :returns: a Dataset with the scene's coordinates and attributes: ``mask`` (y, x), ``probability`` (rare_class, y, x), ``saliency`` (y, x) and
            ``top_k`` (y, x), as in :class:`raremap.Segmentation`. In memory, the attribute ``raremap_areas`` has the areas and
            ``raremap_warnings`` the warnings.
        """
        y, x = _axes(self._scene)
        stacked, band = _stack(self._scene, y, x)
        names, spec = names_and_spec(bands)
        if spec is None and names is None:
            names = _names(self._scene, stacked, band)
        if nodata is None:
            nodata = _nodata(stacked)
        rare = list_of(rare)
        attributes = {
            **self._scene.attrs,
            "raremap_model": model.card["id"],
            "raremap_model_sha256": model.sha256,
            "raremap_threshold": threshold,
            "raremap_rare_classes": list(model.rare_classes if rare is None else rare),
            "raremap_top_k_percent": top_k,
        }
        crs, transform = _place(stacked, y, x)
        if stacked.chunks is None:
            result = model.segment(
                stacked.values,
                spec if names is None else names,
                nodata,
                threshold,
                rare,
                top_k,
                match=match,
                tile=tile,
                overlap=overlap,
                crs=crs,
                transform=transform,
                progress=progress,
            )
            maps = (result.mask, result.probability, result.saliency, result.top_k)
            attributes["raremap_areas"] = result.areas
            attributes["raremap_warnings"] = result.warnings
        else:
            maps = segment_blocks(
                model,
                stacked.data,
                names=names,
                spec=spec,
                nodata=nodata,
                place=place_of(crs, transform),
                threshold=threshold,
                rare=rare,
                top_k=top_k,
                match=match,
                tile=tile,
                overlap=overlap,
            )
        return self._dataset(model, maps, stacked, y, x, attributes)

    def _dataset(self, model: Model, maps: Any, stacked: xr.DataArray, y: str, x: str, attributes: dict) -> xr.Dataset:
        mask, probability, saliency, top_k = maps
        names = list(model.classes.values())
        on_grid = {"grid_mapping": _grid_mapping(stacked)} if _grid_mapping(stacked) else {}
        mask_attributes = {
            "long_name": "class",
            "_FillValue": np.uint8(MASK_NODATA),
            "flag_values": np.array(list(model.classes), dtype=np.uint8),
            "flag_meanings": " ".join(name.replace(" ", "_") for name in names),
        }
        variables = {
            "mask": ((y, x), mask, mask_attributes),
            "probability": (("rare_class", y, x), probability, {"long_name": "probability of a rare class", "units": "1"}),
            "saliency": ((y, x), saliency, {"long_name": "probability of any rare class", "units": "1"}),
            "top_k": ((y, x), top_k, {"long_name": "most salient pixels", "_FillValue": np.uint8(MASK_NODATA)}),
        }
        coordinates = {
            name: coordinate
            for name, coordinate in self._scene.coords.items()
            if set(coordinate.dims) <= {y, x}
        }
        dataset = xr.Dataset(variables, {**coordinates, "rare_class": list(model.rare_classes)}, attributes)
        for variable in dataset.data_vars.values():
            variable.encoding.update(on_grid)
        return dataset


@xr.register_dataset_accessor("raremap")
class DatasetAccessor(_Accessor):
    """``dataset.raremap.segment(model)``"""


@xr.register_dataarray_accessor("raremap")
class DataArrayAccessor(_Accessor):
    """``array.raremap.segment(model)``"""


def _axes(scene: xr.Dataset | xr.DataArray) -> tuple[str, str]:
    for y, x in _AXES:
        if y in scene.dims and x in scene.dims:
            return y, x
    raise misuse(f"the scene has the axes {', '.join(map(str, scene.dims))}; it needs y and x, or latitude and longitude")


def _stack(scene: xr.Dataset | xr.DataArray, y: str, x: str) -> tuple[xr.DataArray, str]:
    """The bands as one array ``[band, y, x]``, and the name of its first axis."""
    if isinstance(scene, xr.Dataset):
        bands = [name for name, variable in scene.data_vars.items() if set(variable.dims) == {y, x}]
        if bands:
            # The nodata value is each variable's own.
            return scene[bands].to_dataarray("band").assign_attrs(scene[bands[0]].attrs).transpose("band", y, x), "band"
        stacks = [variable for variable in scene.data_vars.values() if {y, x} < set(variable.dims)]
        if len(stacks) != 1:
            raise misuse("the Dataset has no variables with the axes y and x, nor a single one with bands")
        scene = stacks[0]
    others = [axis for axis in scene.dims if axis not in (y, x)]
    long = [axis for axis in others if scene.sizes[axis] > 1]
    if len(others) > 1 and len(long) <= 1:
        band = long[0] if long else others[-1]
        scene = scene.squeeze([axis for axis in others if axis != band], drop=True)
        others = [band]
    if len(others) != 1:
        raise misuse(f"the scene has the axes {', '.join(map(str, scene.dims))}; it needs one axis of bands beside {y} and {x}")
    return scene.transpose(others[0], y, x), str(others[0])


def _names(scene: xr.Dataset | xr.DataArray, stacked: xr.DataArray, band: str) -> list[str | None] | None:
    """Names of the bands, where they have some."""
    if band in stacked.coords and stacked[band].dtype.kind in "UOT":
        return [str(name) for name in stacked[band].values]
    described = stacked.attrs.get("long_name")
    if isinstance(described, (tuple, list)) and len(described) == stacked.sizes[band]:
        return [str(name) if name else None for name in described]
    return None


def _nodata(stacked: xr.DataArray) -> float | None:
    value = stacked.rio.nodata if hasattr(stacked, "rio") else stacked.attrs.get("_FillValue")
    # NaN never counts as data, whatever is said.
    return None if value is None or math.isnan(float(value)) else float(value)


def _grid_mapping(stacked: xr.DataArray) -> str | None:
    if hasattr(stacked, "rio") and stacked.rio.grid_mapping in stacked.coords:
        return stacked.rio.grid_mapping
    return None


def _place(stacked: xr.DataArray, y: str, x: str) -> tuple[Any, Any]:
    """The coordinate reference system and the transform, as rioxarray knows them."""
    if not hasattr(stacked, "rio") or min(stacked.sizes[y], stacked.sizes[x]) < 2:
        return None, None
    crs = stacked.rio.crs
    return (crs, tuple(stacked.rio.transform())[:6]) if crs is not None else (None, None)
