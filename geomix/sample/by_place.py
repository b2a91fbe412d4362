"""Strategies over places: uniform over rows or land, cities, discs about centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy  # loads scipy.spatial when it is first used

from geomix import atlas, config, ids, tables
from geomix.errors import CompositionError, DataError
from geomix.sample import area, nearest, order, sphere
from geomix.sample.candidates import Candidates
from geomix.sample.registry import Ask, Ordered, by_groups, plain, register

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@register("uniform")
def uniform(pool: Candidates, ask: Ask, how: config.Uniform) -> Ordered:
    """Candidates uniform over rows, or over land area (`weight: area`, see `area.weights`)."""
    if how.weight == "rows":
        return plain(ask, order.by_number(pool.numbers, n=ask.n))
    weights = area.weights(pool.lon, pool.lat, area.is_land)
    return plain(ask, order.by_number(pool.numbers, weights, ask.n), land_km2=round(float(weights.sum())))


@register("cities")
def cities(pool: Candidates, ask: Ask, how: config.Cities) -> Ordered:
    """Candidates nearest to points scattered about the `top` largest cities by a Gaussian of `sigma_km` along each axis.

    Every city has the same share: they take turns, in an order keyed by the draw seed. The k-th point about a city is
    keyed by (draw seed, city, k); each point takes the nearest candidate that no earlier one took.
    """
    return about(pool, ask, points(how, ask, len(pool)))[0]


@dataclass(frozen=True)
class Points:
    """Points scattered about `cities` cities, in the order in which they take candidates: degrees, float64 [T]."""

    cities: int
    lon: F64
    lat: F64


def points(how: config.Cities, ask: Ask, rows: int) -> Points:
    """The points of a `cities` composition of a pool of `rows` candidates."""
    lon, lat, numbers = _turns(largest(how), ask.draw_seed)
    count = min(ask.n, rows)
    turn, city = np.divmod(np.arange(count), max(len(lon), 1))
    # Two numbers a point, from a SplitMix64 stream of each city.
    with np.errstate(over="ignore"):
        base = ids.splitmix64(numbers[city]) + np.uint64(2) * turn.astype(np.uint64)
        u1, u2 = (ids.unit_interval(ids.splitmix64(base + np.uint64(step))) for step in (0, 1))
    to_lon, to_lat = sphere.gaussian_offsets(lon[city], lat[city], how.sigma_km, u1, u2)
    return Points(len(lon), to_lon, to_lat)


def about(pool: Candidates, ask: Ask, to: Points) -> tuple[Ordered, F64]:
    """The candidates that the points take, and how far each was, in whole metres: float64 [T]."""
    from geomix.sample import unused  # loads a compiler: only for those who need it

    found, far = unused.nearest_unused(pool.lon, pool.lat, pool.numbers, to.lon, to.lat)
    km = far[: ask.budget] / 1000
    note = {f"p{q}": round(float(np.percentile(km, q)), 1) for q in (50, 95, 100)} if len(km) else {}
    # A pool without rows near a city gives the nearest it has: these distances say how far that was.
    return plain(ask, found, cities=to.cities, km_from_point_to_sample=note), far


def largest(how: config.Cities) -> pd.DataFrame:
    """The cities of a composition, largest first: name, lon, lat (degrees, WGS84). Raises DataError for the user's own list."""
    if how.uri is None:
        return atlas.cities().head(how.top)
    table = tables.read(how.uri)
    if "lon" not in table.columns and "lng" in table.columns:
        table = table.rename(columns={"lng": "lon"})
    tables.need(table, ["lon", "lat", "population"], how.uri)
    at = tables.lonlat(table, "lon", "lat", how.uri)
    people = pd.to_numeric(table["population"], errors="coerce").to_numpy(dtype=np.float64)
    known = np.isfinite(at[:, 0]) & np.isfinite(people)
    if not known.any():
        raise DataError(f"{how.uri}: no row has coordinates and a population", wanted="columns lon, lat, population")
    names = table["name"].astype(str) if "name" in table.columns else pd.Series("", index=table.index)
    found = pd.DataFrame({"name": names.to_numpy(), "lon": at[:, 0], "lat": at[:, 1], "population": people})[known]
    # The order of the user's rows does not matter; a city listed twice is one.
    found = found.sort_values(["population", "name", "lon", "lat"], ascending=[False, True, True, True], ignore_index=True)
    kept: pd.DataFrame = found.drop_duplicates(["name", "lon", "lat"], ignore_index=True)
    return kept.head(how.top)


def _turns(cities: pd.DataFrame, draw_seed: int) -> tuple[F64, F64, ids.U64]:
    lon, lat = (cities[c].to_numpy(dtype=np.float64) for c in ("lon", "lat"))
    names = [f"{n} {x:.5f} {y:.5f}" for n, x, y in zip(cities["name"], lon, lat, strict=True)]
    numbers = ids.permanent_random(ids.id64(names), ids.derive_seed("cities", draw_seed))
    turn = np.argsort(numbers, kind="stable")
    return lon[turn], lat[turn], numbers[turn]


@register("clustered")
def clustered(pool: Candidates, ask: Ask, how: config.Clustered) -> Ordered:
    """Candidates within `radius_km` of `clusters` centres, in equal counts: the discs take turns.

    Centres are candidates at different places, the first in an order of their own that the draw seed keys (uniform over
    rows or over land area); they do not depend on the budget. A candidate belongs to its nearest centre (great circle, in
    whole metres, ties to the earlier centre). A disc that runs dry is an error that names it, or is filled from the others.
    """
    weights = area.weights(pool.lon, pool.lat, area.is_land) if how.weight == "area" else None
    return about_centres(pool, ask, centres(pool, ask, how, weights))


@dataclass(frozen=True)
class Centres:
    """Centres of discs of `radius_m`, in their order: ids, and degrees, float64 [K]."""

    ids: list[str]
    lon: F64
    lat: F64
    radius_m: float

    def codes(self, lon: F64, lat: F64) -> npt.NDArray[np.int32]:
        """The disc of each point, int32 [N]; -1: none."""
        at = sphere.unit_vectors(self.lon, self.lat)
        rows = nearest.Cells(lon, lat).near(at, sphere.chord(self.radius_m + 1))
        codes = np.full(len(lon), -1, dtype=np.int32)
        tree = scipy.spatial.cKDTree(at)
        for start in range(0, len(rows), 1 << 20):
            part = rows[start : start + (1 << 20)]
            codes[part] = _nearest_centre(tree, sphere.unit_vectors(lon[part], lat[part]), round(self.radius_m))
        return codes


def about_centres(pool: Candidates, ask: Ask, found: Centres) -> Ordered:
    """Equal counts of the candidates within the discs."""
    width = len(str(len(found.ids)))
    names = [f"disc_{n + 1:0{width}d}" for n in range(len(found.ids))]
    ordered = by_groups(pool, ask, found.codes(pool.lon, pool.lat), names, np.ones(len(names)), "discs")
    notes = dict(ordered.notes)
    notes["outside"] = notes.pop("without_value")
    return Ordered(ordered.positions, ordered.strata, ordered.requested, {**notes, "centres": found.ids})


def centre_numbers(pool: Candidates, draw_seed: int) -> ids.U64:
    """The numbers, uint64 [N], in whose order candidates become centres."""
    return order.own_numbers(pool.numbers, "centres", draw_seed)


def centres(pool: Candidates, ask: Ask, how: config.Clustered, weights: F64 | None) -> Centres:
    """The first candidates at different places, in an order of their own. Raises CompositionError: fewer than that."""
    numbers = centre_numbers(pool, ask.draw_seed)
    count = how.clusters
    while True:  # rows at one place are one centre: look further until there are enough places
        count = min(2 * count, len(pool))
        head = order.by_number(numbers, weights, count)
        _, first = np.unique(np.column_stack([pool.lon[head], pool.lat[head]]), axis=0, return_index=True)
        if len(first) >= how.clusters:
            rows = head[np.sort(first)[: how.clusters]]
            return Centres(pool.ids_at(rows), pool.lon[rows], pool.lat[rows], how.radius_km * 1000)
        if count == len(pool):
            raise CompositionError(
                f"{ask.who}: {how.clusters:,} clusters are asked for, but the candidates lie at {len(first):,} places",
                wanted="at most one cluster a place",
                remedy="lower `clusters:`",
            )


def _nearest_centre(tree: scipy.spatial.cKDTree, points: F64, radius_m: int) -> npt.NDArray[np.int32]:
    """Index of each point's nearest centre, int32 [N]; -1: none within the radius."""
    most, bound = 4, sphere.chord(radius_m + 1)
    found = np.full(len(points), -1, dtype=np.int32)
    left = np.arange(len(points))
    while len(left):
        k = min(most, tree.n)
        chords, at = tree.query(points[left], k=np.arange(1, k + 1), distance_upper_bound=bound, workers=-1)
        whole = np.where(np.isfinite(chords), np.round(sphere.metres(np.minimum(chords, 2.0))), np.inf)
        least = whole[:, 0]
        tied = whole == least[:, None]
        best = np.where(tied, at, tree.n).min(axis=1)
        open_end = tied.all(axis=1) & (k < tree.n) & np.isfinite(least)  # an equally near centre may follow
        done = ~open_end
        found[left[done]] = np.where(least[done] <= radius_m, best[done], -1)
        left, most = left[open_end], most * 4
    return found
