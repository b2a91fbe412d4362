"""The 35 real Sentinel-2 chips: mixed layouts, band orders and offsets; through an S3 server and back, against rasterio."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from geomix import store
from geomix.raster import Band, Chip, ChipReader, ChipRequest, ClassMask, Recipe, Refusal, Scene
from geomix.raster.sheet import contact_sheet
from tests.unit import s3_server

pytestmark = pytest.mark.shared

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
OFFSET_1000 = (
    "satclip/patch_445.tif",
    "satclip/patch_57755.tif",
    "satclip/patch_74721.tif",
    "satclip/patch_766272.tif",
    "satclip/patch_8845.tif",
    "terramind/S2L2A/433D_629L_3_1.tif",
)
"""Chips of baseline 04.00: the darkest of their pixels are at about 1000 in every band. (The
collections do not say so themselves; on the contact sheet such a chip is hazy if read without the offset.)"""
RECIPE = Recipe(64, 64, 10.0)


@dataclass(frozen=True)
class Real:
    """A row of chips.csv."""

    path: str
    bands: tuple[str, ...]
    lon: float
    lat: float
    date: str

    @property
    def offset(self) -> float:
        return -0.1 if self.path in OFFSET_1000 else 0.0

    def scene(self, root: str) -> Scene:
        """BANDS in their order, whatever the file's."""
        if self.path.startswith("bigearthnet/"):
            name = self.path.rsplit("/", 1)[1]
            return Scene(tuple(Band(f"{root}/{self.path}/{name}_{b}.tif", count=1, scale=1e-4) for b in BANDS))
        bands = [self.bands.index(b) + 1 for b in BANDS]
        count, href = len(self.bands), f"{root}/{self.path}"
        return Scene(tuple(Band(href, i, count=count, scale=1e-4, offset=self.offset) for i in bands))


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[Real]:
    with (shared_data / "chips" / "chips.csv").open() as file:
        return [
            Real(r["path"], tuple(r["bands"].split(",")), float(r["lon"]), float(r["lat"]), r["date"][:8])
            for r in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def bucket(real: list[Real], shared_data: Path) -> Iterator[str]:
    """A folder of the S3 server with all the chips' files."""
    with pytest.MonkeyPatch.context() as patch, s3_server.served(patch) as served:
        for href in sorted({href for r in real for href in r.scene("").hrefs}):
            store.write_bytes(f"{served.uri}/chips{href}", (shared_data / "chips" / href[1:]).read_bytes())
        yield f"{served.uri}/chips"


def _directly(r: Real, root: Path) -> np.ndarray:
    """The central 64 x 64 pixels by rasterio, reflectance [12, 64, 64]; 20 and 60 m bands of BigEarthNet by bilinear."""
    layers, whole = [], {}
    for band in r.scene(str(root)).bands:
        with rasterio.open(band.href) as dataset, MemoryFile() as memory:
            if band.href not in whole:
                whole[band.href] = dataset.read(out_dtype=np.float32)
            dn = whole[band.href][band.index - 1]
            metres = round(dataset.transform.a)
            size = dataset.height * metres // 10
            if metres > 10:
                # In floats: rasterio rounds the result of resampling integers.
                with memory.open(driver="GTiff", height=len(dn), width=len(dn), count=1, dtype="float32") as floats:
                    floats.write(dn[None])
                with memory.open() as floats:
                    dn = floats.read(1, out_shape=(size, size), resampling=Resampling.bilinear)
            layers.append(dn * band.scale + band.offset)
    return np.stack(layers)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # the floats in memory need none
def test_read_back_through_the_whole_path(real: list[Real], bucket: str, shared_data: Path, tmp_path: Path) -> None:
    reader = ChipReader(RECIPE)
    found = {c.id: c for c in reader.read(ChipRequest(r.path, r.lon, r.lat, r.scene(bucket)) for r in real)}
    assert (reader.tally.read, reader.tally.refused.total(), reader.tally.retried.total()) == (35, 0, 0)
    for r in real:
        chip = found[r.path]
        assert isinstance(chip, Chip)
        whole = _directly(r, shared_data / "chips")
        # The table's coordinates are rounded to 1e-4 degrees, 11 m: the chip is one of the windows round the middle.
        middle = (whole.shape[1] - 64) // 2
        matches = [
            (row, column)
            for row in range(middle - 2, middle + 3)
            for column in range(middle - 2, middle + 3)
            if _same(chip.x_CHW, whole, row, column)
        ]
        assert len(matches) == 1, r.path
        # What of the chip lies outside the image (EuroSAT's are 64 x 64) is said to have no data.
        inside = np.isfinite(chip.x_CHW).all(axis=0)
        assert chip.shares.nodata == pytest.approx(1 - inside.mean())
        assert np.array_equal(chip.valid_HW, inside)


def _same(x_CHW: np.ndarray, whole: np.ndarray, row: int, column: int) -> bool:
    padded = np.full((len(whole), whole.shape[1] + 8, whole.shape[2] + 8), np.nan)
    padded[:, 4:-4, 4:-4] = whole
    return np.allclose(x_CHW, padded[:, row + 4 : row + 68, column + 4 : column + 68], atol=2e-6, equal_nan=True)


def test_the_same_in_another_order_of_requests_and_threads(real: list[Real], bucket: str, shared_data: Path) -> None:
    requests = [ChipRequest(r.path, r.lon, r.lat, r.scene(bucket)) for r in real[::4]]
    local = [ChipRequest(r.path, r.lon, r.lat, r.scene(str(shared_data / "chips"))) for r in real[::4]]
    answers = [ChipReader(RECIPE, workers=n).read(asked) for n, asked in ((1, requests), (6, requests[::-1]), (2, local))]
    bytes_of = [{c.id: c.x_CHW.tobytes() for c in answer if isinstance(c, Chip)} for answer in answers]
    assert len(bytes_of[0]) == len(requests)
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]


def test_a_class_raster_as_mask(real: list[Real], bucket: str, shared_data: Path) -> None:
    r = next(r for r in real if r.path.endswith("433D_629L_3_1.tif"))
    labels = str(shared_data / "chips" / r.path.replace("S2L2A", "LULC"))
    scene = r.scene(str(shared_data / "chips"))
    with rasterio.open(labels) as dataset:
        values = dataset.read(1)
    common = int(np.bincount(values.ravel()).argmax())
    request = ChipRequest("a", r.lon, r.lat, Scene(scene.bands, ClassMask(labels, cloud=(common,), nodata=(), saturated=())))
    (chip,) = ChipReader(Recipe(224, 224, 10.0)).read([request])
    assert isinstance(chip, Chip)
    assert chip.shares.cloud == pytest.approx((values == common).mean(), abs=0.02)


def test_contact_sheet(real: list[Real], shared_data: Path, tmp_path: Path) -> None:
    results = list(
        ChipReader(Recipe(224, 224, 10.0)).read(
            ChipRequest(r.path, r.lon, r.lat, r.scene(str(shared_data / "chips"))) for r in real
        )
    )
    results.append(Refusal("an/id/that/is/very/long/and/goes/on/for/quite/some/time/0001.tif", "too_cloudy", "80 % cloud"))
    path = tmp_path / "sheet.png"
    contact_sheet(results, path, dates={r.path: r.date for r in real})
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    contact_sheet(results[:3], first)
    contact_sheet(results[:3], again)
    assert first.read_bytes() == again.read_bytes() != data
