"""Scenes that are computed block by block, as Dask arrays are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from raremap import _native
from raremap._model import Model, supported

if TYPE_CHECKING:
    import dask.array as da

_MERGED_AT_ONCE = 16


def segment_blocks(
    model: Model,
    scene: da.Array,
    *,
    names: Sequence[str | None] | None,
    spec: str | None,
    nodata: float | None,
    place: Any,
    threshold: float,
    rare: Sequence[str] | None,
    top_k: float,
    match: str,
    tile: int | None,
    overlap: int | None,
) -> tuple[da.Array, da.Array, da.Array, da.Array]:
    """Mask, probability, saliency and top-k of a chunked scene ``[band, y, x]``, in its chunks.

    A block's pixels are interpolated from cells, and cells are blended from the windows of the plan of the whole scene. So a block is computed
    from every pixel that those windows see, with the statistics of the whole scene, and comes out bit for bit as in one piece.
    """
    import dask
    import dask.array as da

    bands = model._native.assign([None] * scene.shape[0] if names is None else list(names), spec)
    # Bands that do not count are not read; a band that counts twice is read once.
    read = sorted({band for band in bands if band is not None})
    scene = scene[read]
    bands = [None if band is None else read.index(band) for band in bands]
    _, height, width = scene.shape
    lazy_model = dask.delayed(model, pure=True)
    matched = None
    if match != "off":
        first_row, first_column, step = _native.preview_steps(height, width)
        preview = _one_piece(scene[:, first_row::step, first_column::step])
        matched = dask.delayed(_match, pure=True)(lazy_model, preview, bands, nodata, match)
    options = {
        "ground_resolution_m": _native.ground_resolution_m(height, width, place),
        "nodata": nodata,
        "threshold": threshold,
        "rare": rare,
        "tile": tile,
        "overlap": overlap,
    }
    # Wrong options are known now, not when the first block is computed.
    model._native.check_options(threshold=threshold, rare=rare, top_k=top_k, matching=match)
    row_edges, column_edges = ([0, *accumulate(chunks)] for chunks in scene.chunks[1:])
    rows, columns = list(pairwise(row_edges)), list(pairwise(column_edges))
    blocks, counts = {}, []
    for at in product(range(len(rows)), range(len(columns))):
        block = (*rows[at[0]], *columns[at[1]])
        top, bottom, left, right = model._native.block_window((height, width), block, tile, overlap)
        window = _one_piece(scene[:, top:bottom, left:right])
        blocks[at] = dask.delayed(_segment, pure=True, nout=3)(
            lazy_model, window, (height, width), block, bands, matched, options
        )
        counts.append(dask.delayed(_count, pure=True)(blocks[at][2]))
    while len(counts) > 1:
        groups = (counts[at : at + _MERGED_AT_ONCE] for at in range(0, len(counts), _MERGED_AT_ONCE))
        counts = [dask.delayed(_merge, pure=True)(group) for group in groups]
    first_bin = dask.delayed(_cut, pure=True)(counts[0], top_k)

    def assemble(part: Any, dtype: Any, leading: tuple[int, ...] = ()) -> da.Array:
        def of(at: tuple[int, int]) -> da.Array:
            (top, bottom), (left, right) = rows[at[0]], columns[at[1]]
            return da.from_delayed(part(at), (*leading, bottom - top, right - left), dtype)

        return da.block([[of((row, column)) for column in range(len(columns))] for row in range(len(rows))])

    mark = dask.delayed(_native.mark_top_k, pure=True)
    return (
        assemble(lambda at: blocks[at][0], np.uint8),
        assemble(lambda at: blocks[at][1], np.float32, (len(model.rare_classes),)),
        assemble(lambda at: blocks[at][2], np.float32),
        assemble(lambda at: mark(blocks[at][2], first_bin), np.uint8),
    )


def _one_piece(array: da.Array) -> Any:
    """An array's values as one lazy value. Its graph is kept as it is, so that blocks which share chunks read them once."""
    (piece,) = array.rechunk(array.shape).to_delayed(optimize_graph=False).ravel()
    return piece


def _match(model: Model, preview: np.ndarray, bands: list[int | None], nodata: float | None, match: str) -> Any:
    matched, _ = model._native.match_values(supported(preview), bands=bands, nodata=nodata, matching=match)
    return matched


def _segment(model: Model, window: Any, scene: Any, block: Any, bands: list[int | None], matched: Any, options: dict) -> Any:
    return model._native.segment_block(
        supported(window), scene=scene, block=block, bands=bands, matched=matched, **options
    )


def _count(saliency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _native.count_saliency(saliency)


def _merge(counts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    bins, where = np.unique(np.concatenate([bins for bins, _ in counts]), return_inverse=True)
    sums = np.bincount(where, weights=np.concatenate([pixels for _, pixels in counts]), minlength=len(bins))
    return bins, np.minimum(sums, np.iinfo(np.uint32).max).astype(np.uint32)


def _cut(counts: tuple[np.ndarray, np.ndarray], percent: float) -> int:
    _, _, first_bin = _native.cut_saliency([counts], percent)
    return first_bin
