"""xarray's accessors, in memory and in blocks."""

import dask
import dask.array
import numpy as np
import pytest
import rioxarray  # noqa: F401, it registers the accessor `rio`
import xarray as xr

import raremap
from conftest import BANDS, NODATA, write_scene

TILE = 128
MAPS = ["mask", "probability", "saliency", "top_k"]


@pytest.fixture(scope="session")
def opened(scene_path):
    return rioxarray.open_rasterio(scene_path)


@pytest.fixture(scope="session")
def whole(opened, model):
    return opened.raremap.segment(model, tile=TILE)


def equal(first, second):
    return all(np.array_equal(first[name].values, second[name].values, equal_nan=name in MAPS[1:3]) for name in MAPS)


def test_coordinates_place_and_attributes_are_kept(model, scene, opened, whole):
    result = model.segment(scene, bands=BANDS, nodata=NODATA, tile=TILE, crs=opened.rio.crs, transform=opened.rio.transform())
    for name in MAPS:
        assert np.array_equal(whole[name].values, getattr(result, name), equal_nan=name in MAPS[1:3]), name
        assert whole[name].dims[-2:] == ("y", "x") and whole[name].dtype == getattr(result, name).dtype
    assert list(whole.rare_class.values) == list(model.rare_classes)
    assert np.array_equal(whole.x, opened.x) and np.array_equal(whole.y, opened.y)
    assert whole.rio.crs == opened.rio.crs and whole.mask.rio.transform() == opened.rio.transform()
    assert whole.mask.rio.nodata == 255 and whole.attrs["raremap_model_sha256"] == model.sha256
    assert whole.attrs["raremap_areas"] == result.areas and result.areas[0]["hectares"] is not None
    assert opened.attrs.items() <= whole.attrs.items()


def test_the_mask_can_be_written_and_read_again(whole, tmp_path):
    whole.mask.rio.to_raster(tmp_path / "mask.tif")
    again = rioxarray.open_rasterio(tmp_path / "mask.tif")
    assert np.array_equal(again[0].values, whole.mask.values) and again.rio.crs == whole.rio.crs and again.rio.nodata == 255


def test_a_dataset_of_bands_is_a_scene(model, opened, whole):
    bands = {name: opened[index].drop_vars("band") for index, name in [(2, "nir"), (0, "green"), (1, "red")]}
    assert equal(xr.Dataset(bands).raremap.segment(model, tile=TILE), whole)
    assert equal(xr.Dataset({"scene": opened}).raremap.segment(model, tile=TILE), whole)
    # Other names, other axes, and values that xarray has masked.
    renamed = opened.where(opened != NODATA).rename(y="latitude", x="longitude").transpose("latitude", "longitude", "band")
    renamed.attrs = {}
    found = renamed.drop_vars("spatial_ref").raremap.segment(model, ["green", "red", "nir"], tile=TILE)
    assert equal(found, whole) and found.mask.dims == ("latitude", "longitude")


# The last one is the whole scene, which is 330 rows and 401 columns.
CHUNKS = [(64, 64), (100, 137), (330, 50), ((5, 300, 25), (401,)), (-1, -1)]


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_chunks_change_no_bit(model, opened, whole, chunks):
    lazy = opened.chunk(band=1, y=chunks[0], x=chunks[1]).raremap.segment(model, tile=TILE)
    for name in MAPS:
        assert dask.is_dask_collection(lazy[name].data), name
        assert lazy[name].shape == whole[name].shape and lazy[name].dtype == whole[name].dtype
    with dask.config.set(scheduler="threads", num_workers=2):
        computed = lazy.compute()
    assert equal(computed, whole)
    for name in MAPS:
        assert np.array_equal(computed[name].values.view(np.uint8), whole[name].values.view(np.uint8)), name


def test_blocks_are_matched_by_the_statistics_of_the_whole_scene(model, opened):
    reflectance = (opened.where(opened != NODATA) / 10_000).astype(np.float32).assign_attrs(long_name=tuple(BANDS))
    expected = reflectance.raremap.segment(model, tile=TILE, threshold=0.3, rare=["water"], top_k=3)
    found = reflectance.chunk(y=111, x=90).raremap.segment(model, tile=TILE, threshold=0.3, rare=["water"], top_k=3)
    assert equal(found.compute(), expected)
    unmatched = reflectance.chunk(y=111, x=90).raremap.segment(model, tile=TILE, match="off")
    assert not np.array_equal(unmatched.mask.values, expected.mask.values)


def test_blocks_are_told_what_the_whole_scene_is(model, scene, tmp_path):
    """A picture of 8 bits with pixels of 20 m: the network is told both, and a block does not show either."""
    path = write_scene(tmp_path / "picture.tif", np.clip(scene // 16, 0, 255).astype(np.uint8), metres=20)
    picture = rioxarray.open_rasterio(path)
    expected = picture.raremap.segment(model, tile=TILE)
    assert equal(picture.chunk(y=111, x=90).raremap.segment(model, tile=TILE).compute(), expected)


def test_one_pixel_needs_no_more_than_the_windows_that_touch_it(model):
    """Blocks are read once, and only those that are needed."""
    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"])
        return np.full(block_info[None]["chunk-shape"], 700, np.uint16)

    scene = dask.array.map_blocks(block, chunks=((3,), (64,) * 20, (64,) * 20), dtype=np.uint16)
    lazy = xr.DataArray(scene, dims=("band", "y", "x")).raremap.segment(model, BANDS, tile=TILE, match="off")
    with dask.config.set(scheduler="synchronous"):
        lazy.mask[640, 640].compute()
        assert 1 < len(read) <= 5 * 5 and len(set(read)) == len(read)
        read.clear()
        lazy.mask[:200, :200].compute()
        assert len(set(read)) == len(read) <= 6 * 6


def test_what_cannot_be_known_in_blocks_is_asked_for(model, scene, opened):
    unnamed = xr.DataArray(dask.array.from_array(scene, chunks=(3, 100, 100)), dims=("band", "y", "x"))
    wrong = [
        lambda: unnamed.raremap.segment(model),
        lambda: unnamed.raremap.segment(model, BANDS, threshold=3),
        lambda: unnamed.raremap.segment(model, BANDS, rare=["sand"]),
        lambda: unnamed.raremap.segment(model, BANDS, match="perhaps"),
        lambda: unnamed.raremap.segment(model, BANDS, tile=33),
        lambda: xr.DataArray(scene, dims=("band", "row", "column")).raremap.segment(model, BANDS),
        lambda: xr.DataArray(np.stack([scene, scene]), dims=("time", "band", "y", "x")).raremap.segment(model, BANDS),
    ]
    for call in wrong:
        with pytest.raises(raremap.RaremapError) as raised:
            call()
        assert raised.value.code == "misuse", raised.value
