"""Maps land cover from satellite images and finds rare classes, such as wetland and water.

    import raremap

    model = raremap.load_model("default.raremap")
    result = model.segment(array, bands=["green", "red", "nir"], nodata=0)
    model.segment_file("scene.tif", out="results")

With xarray installed, Datasets and DataArrays have ``.raremap.segment(model)``. With dask.distributed installed,
``raremap.fleet.predict`` maps many scenes. Errors are :class:`RaremapError`, whose ``code`` is stable between versions.
"""

import importlib.util
from os import PathLike

from raremap._model import Model, Segmentation, load_model
from raremap._native import RaremapError, __version__

if importlib.util.find_spec("xarray"):
    import raremap._xarray  # noqa: F401, it registers the accessors

__all__ = ["Model", "RaremapError", "Segmentation", "__version__", "inspect", "load_model"]


def inspect(path: str | PathLike[str], *, checksums: bool = False, statistics: bool = False) -> dict:
    """Says what a GeoTIFF or a weights file is: what ``raremap inspect --json`` prints (docs/inspect.md).

    Statistics of a large GeoTIFF come from every n-th pixel, unless ``statistics`` asks for all pixels; ``checksums`` reads all pixels too, and
    adds GDAL's checksum of each band.
    """
    import json

    from raremap import _native

    return json.loads(_native.inspect(path, checksums, statistics))
