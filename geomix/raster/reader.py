"""Chips out of scenes: requests grouped by scene, read by a bounded number of threads, given in an order that does not depend
on them.

Threads and never processes: a client of an object store must not live through a fork, and GDAL and NumPy release the
interpreter's lock. Every thread opens its own datasets.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import rasterio
from pyproj import Transformer

from geomix.raster import blocks, chips, gdal, grid, radiometry
from geomix.raster.chips import Bool, Chip, ChipRequest, Recipe, Refusal, Scene
from geomix.raster.fetch import Header, Raster, Refused, Tally

F64 = npt.NDArray[np.float64]

_NOWHERE = 1e12
"""Metres; no map is as large."""

BATCH_BYTES = 16 << 20
"""Pixels of the chips that one thread reads from a scene in one go (float32)."""

CELL_DEGREES = 0.05
"""Chips of a scene are taken row by row of cells of this size, about a COG's block of 512 pixels of 10 m: neighbours share
blocks, and a block is read by one thread."""


def reading_order(requests: Iterable[ChipRequest]) -> list[ChipRequest]:
    """The requests in the order in which chips are read: by scene, from north to south, then by id. The same for any order
    of `requests`."""

    requests = list(requests)
    # Written out once a scene, not once a request: a scene is shared by many of them.
    scenes = {id(r.scene): repr(r.scene) for r in {id(r.scene): r for r in requests}.values()}

    def key(r: ChipRequest) -> tuple[str, int, int, str]:
        return scenes[id(r.scene)], -int(r.lat // CELL_DEGREES), int(r.lon // CELL_DEGREES), r.id

    return sorted(requests, key=key)


class ChipReader:
    """Reads chips by `recipe` with at most `workers` threads. `tally` counts what happened, retries by kind."""

    def __init__(self, recipe: Recipe, *, workers: int = 8) -> None:
        self.recipe, self.workers, self.tally = recipe, workers, Tally()

    def read(self, requests: Iterable[ChipRequest]) -> Iterator[Chip | Refusal]:
        """A chip or a refusal for every request, in `reading_order`; memory stays bounded however many there are.

        What may pass (5xx, a lost connection, a stall) is tried again with growing pauses; it never becomes a refusal.
        Raises UnavailableError when the bound is reached, DataError for credentials that are wrong for everything.
        """
        waiting: deque[Future[list[Chip | Refusal]]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="chips")
        try:
            for batch in self._batches(reading_order(requests)):
                waiting.append(pool.submit(_read_batch, batch, self.recipe, self.tally))
                if len(waiting) > 2 * self.workers:
                    yield from self._counted(waiting.popleft())
            while waiting:
                yield from self._counted(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _counted(self, future: Future[list[Chip | Refusal]]) -> Iterator[Chip | Refusal]:
        for result in future.result():
            self.tally.asked += 1
            if isinstance(result, Refusal):
                self.tally.refused[result.code] += 1
            else:
                self.tally.read += 1
            yield result

    def _batches(self, ordered: list[ChipRequest]) -> Iterator[list[ChipRequest]]:
        """Runs of requests of one scene, small enough for BATCH_BYTES."""
        for scene, same in itertools.groupby(ordered, key=lambda r: r.scene):
            chip_bytes = len(scene.bands) * self.recipe.height * self.recipe.width * 4
            size = max(BATCH_BYTES // chip_bytes, 1)
            while batch := list(itertools.islice(same, size)):
                yield batch


@dataclass(frozen=True)
class _Cut:
    """Where a chip's pixels come from in one raster."""

    rows: grid.Axis
    columns: grid.Axis

    @property
    def window(self) -> blocks.Window:
        return blocks.Window(self.rows.start, self.rows.stop, self.columns.start, self.columns.stop)


def _read_batch(batch: Sequence[ChipRequest], recipe: Recipe, tally: Tally) -> list[Chip | Refusal]:
    """Chips of one scene, in the order of `batch`."""
    scene = batch[0].scene
    with rasterio.Env(**gdal.environment()), ExitStack() as stack:
        rasters = {href: stack.enter_context(closing(Raster(href, tally))) for href in scene.hrefs}
        try:
            headers = {href: raster.header() for href, raster in rasters.items()}
            _check(scene, headers)
        except Refused as refused:
            # The scene is at fault, so it is for all of its chips.
            return [Refusal(r.id, refused.code, refused.detail) for r in batch]

        def cut(part: Sequence[ChipRequest]) -> list[Chip | Refusal]:
            try:
                return _cut(part, recipe, scene, rasters, headers)
            except Refused as refused:
                if len(part) == 1:
                    return [Refusal(part[0].id, refused.code, refused.detail)]
                # A file that is good in parts: whether a chip is refused must not depend on its neighbours.
                return [result for request in part for result in cut([request])]

        return cut(batch)


def _check(scene: Scene, headers: dict[str, Header]) -> None:
    """Raises Refused if the files are not the scene that was described."""
    for band in scene.bands:
        count = headers[band.href].count
        if (band.count is not None and count != band.count) or not 1 <= band.index <= count:
            wanted = f"{band.count} bands" if band.count is not None else f"a band {band.index}"
            raise Refused(chips.WRONG_BAND_COUNT, f"{band.href}: {count} band(s), wanted {wanted}")
    if scene.mask is not None and not 1 <= scene.mask.index <= headers[scene.mask.href].count:
        raise Refused(chips.WRONG_BAND_COUNT, f"{scene.mask.href}: no band {scene.mask.index} for the mask")
    first, *others = headers.items()
    for href, header in others:
        if header.crs != first[1].crs:
            raise Refused(chips.UNSUPPORTED_GRID, f"{href}: another CRS than {first[0]}")


def _cut(
    batch: Sequence[ChipRequest], recipe: Recipe, scene: Scene, rasters: dict[str, Raster], headers: dict[str, Header]
) -> list[Chip | Refusal]:
    finest = min((headers[b.href].lattice for b in scene.bands), key=lambda lattice: lattice.dx * lattice.dy)
    grids = _grids(batch, recipe, headers[scene.bands[0].href], finest)
    shape = (recipe.height, recipe.width)
    n, c = len(batch), len(scene.bands)
    x = np.empty((n, c, *shape), dtype=np.float32)
    nodata, saturated = np.zeros((n, *shape), dtype=bool), np.zeros((n, *shape), dtype=bool)
    outside = np.zeros(n, dtype=bool)
    # Bands of one file that come onto the grid in the same way are read together.
    together: dict[tuple[str, chips.Resampling | None], list[int]] = {}
    for channel, band in enumerate(scene.bands):
        together.setdefault((band.href, band.resampling), []).append(channel)
    for (href, method), channels in together.items():
        header, bands = headers[href], [scene.bands[i] for i in channels]
        empty = [b.nodata if b.nodata is not None else header.nodata[b.index - 1] for b in bands]
        cuts = [_cut_of(g, header.lattice, recipe, method) for g in grids]
        windows = [cut.window for cut in cuts]
        outside |= [window.empty for window in windows]
        for i, dn in enumerate(rasters[href].read([b.index for b in bands], windows)):
            found = radiometry.layers(dn, bands, empty, cuts[i].rows, cuts[i].columns)
            x[i, channels] = found.x_BHW
            nodata[i] |= found.nodata_BHW.any(axis=0)
            saturated[i] |= found.saturated_BHW.any(axis=0)
    cloud = _masked(scene, recipe, grids, rasters, headers, nodata, saturated)
    results: list[Chip | Refusal] = []
    for i, request in enumerate(batch):
        if outside[i]:
            detail = f"longitude {request.lon}, latitude {request.lat} is not in {scene.bands[0].href}"
            results.append(Refusal(request.id, chips.OUTSIDE_SCENE, detail))
            continue
        clouds = None if cloud is None else cloud[i]
        # Copied: a chip must not keep the whole batch in memory.
        results.append(radiometry.judge(request.id, x[i].copy(), nodata[i], saturated[i], clouds, recipe))
    return results


def _masked(
    scene: Scene,
    recipe: Recipe,
    grids: Sequence[grid.ChipGrid],
    rasters: dict[str, Raster],
    headers: dict[str, Header],
    nodata_NHW: Bool,
    saturated_NHW: Bool,
) -> Bool | None:
    """Cloud, bool [N, H, W], None without a mask; what the mask knows of the rest is added to the other two."""
    if scene.mask is None:
        return None
    cuts = [_cut_of(g, headers[scene.mask.href].lattice, recipe, "nearest") for g in grids]
    cloud = np.zeros(nodata_NHW.shape, dtype=bool)
    for i, values in enumerate(rasters[scene.mask.href].read([scene.mask.index], [cut.window for cut in cuts])):
        on_grid, inside = grid.apply(cuts[i].rows, cuts[i].columns, values, None)
        found = radiometry.classes(on_grid[0], inside[0], scene.mask)
        nodata_NHW[i] |= found.nodata_HW
        saturated_NHW[i] |= found.saturated_HW
        cloud[i] = found.cloud_HW
    return cloud


def _cut_of(g: grid.ChipGrid, lattice: grid.Lattice, recipe: Recipe, asked: chips.Resampling | None) -> _Cut:
    across, down = g.dx / lattice.dx, g.dy / lattice.dy
    # One method for both axes: that of the axis that is further from the chip's pixels.
    ratio, n = max((across, recipe.width), (down, recipe.height), key=lambda pair: abs(pair[0] - 1) * pair[1])
    method = grid.method_for(ratio, n, asked)
    return _Cut(
        grid.axis((lattice.north - g.north) / lattice.dy, down, recipe.height, lattice.rows, method),
        grid.axis((g.west - lattice.west) / lattice.dx, across, recipe.width, lattice.columns, method),
    )


def _grids(batch: Sequence[ChipRequest], recipe: Recipe, header: Header, finest: grid.Lattice) -> list[grid.ChipGrid]:
    """The chips' grids in the CRS of the scene, whatever the place's own UTM zone would be."""
    lon, lat = np.array([r.lon for r in batch]), np.array([r.lat for r in batch])
    metre = recipe.gsd_m / header.crs.linear_units_factor[1]
    x, y = _projected(header, lon, lat)
    stretch = _stretch(header, lon, lat)
    step = metre * np.where(np.abs(stretch - 1) < grid.PROJECTION_SCALE, 1.0, stretch)
    found = zip(x, y, step, strict=True)
    return [grid.chip_grid(float(px), float(py), float(s), recipe, finest) for px, py, s in found]


def _projected(header: Header, lon: F64, lat: F64) -> tuple[F64, F64]:
    """Eastings and northings in the CRS of the scene; far away, out of every raster, where the projection has no answer."""
    x, y = _transformer(header.crs.to_wkt(), threading.get_ident()).transform(lon, lat)
    return np.where(np.isfinite(x), x, _NOWHERE), np.where(np.isfinite(y), y, _NOWHERE)


@lru_cache(maxsize=1024)
def _transformer(wkt: str, thread: int) -> Transformer:
    # pyproj and not GDAL: there one place outside a projection's domain is an error for all that are asked with it. One a
    # thread, because a transformer belongs to the thread that made it.
    return Transformer.from_crs("EPSG:4326", wkt, always_xy=True)


def _stretch(header: Header, lon: F64, lat: F64) -> F64:
    """Length on the map of one metre on the ground at each place, as the root of the area: differences over 1e-4 degrees."""
    half = 5e-5
    lat = np.clip(lat, -89.9, 89.9)  # a pole has no east
    east, west = _projected(header, lon + half, lat), _projected(header, lon - half, lat)
    north, south = _projected(header, lon, lat + half), _projected(header, lon, lat - half)
    # Metres of one degree on the WGS84 ellipsoid along the parallel and the meridian (radii of curvature N and M).
    phi, a, e2 = np.radians(lat), 6378137.0, 0.00669437999014
    w = np.sqrt(1 - e2 * np.sin(phi) ** 2)
    ground = (a / w * np.cos(phi)) * (a * (1 - e2) / w**3) * np.radians(2 * half) ** 2
    area = (east[0] - west[0]) * (north[1] - south[1]) - (east[1] - west[1]) * (north[0] - south[0])
    stretch = np.sqrt(np.abs(area) / ground) * header.crs.linear_units_factor[1]
    # Where the projection has no answer, the chip is outside of every raster: its pixels only must have a size.
    return np.where((stretch > 0.01) & (stretch < 100), stretch, 1.0)
