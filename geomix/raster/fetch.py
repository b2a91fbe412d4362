"""One raster, open for one thread: retries of what may pass, a refusal code for what will not.

GDAL does not say whether a block could not be fetched or is not in the file: the message is the same. So a refusal is given
only for what is certain. In doubt the whole object is fetched by `geomix.store`, which has its own retries, and opened
locally: what fails there is the file's fault.
"""

from __future__ import annotations

import re
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from geomix import store
from geomix.errors import DataError
from geomix.raster import blocks, chips, gdal
from geomix.raster.grid import Lattice

T = TypeVar("T")

DOUBTS = 2
"""After so many failures in a row that may be the network's or the file's, the store is asked for the object's properties
(does it exist, may we read it, is the store well again); after twice as many it is fetched whole and looked at."""

_DOUBTFUL = ("broken read", "refused by the store")

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, both byte orders


class Refused(Exception):
    """The raster cannot be used: `code` is one of chips.REFUSALS. Not an OSError, so `store.retrying` lets it pass."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass
class Tally:
    """Counts of a run of reading, for a person at its end; safe to add to from many threads."""

    asked: int = 0
    read: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By refusal code."""
    retried: Counter[str] = field(default_factory=Counter)
    """Tries that failed and were made again, by kind: "HTTP 503", "timed out", "connection", "broken read" ..."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_retry(self, kind: str) -> None:
        """One more failed try of this kind."""
        with self._lock:
            self.retried[kind] += 1

    def lines(self) -> list[str]:
        """What happened, one line a subject; kinds sorted by name."""

        def by_kind(counts: Counter[str]) -> str:
            return f"{sum(counts.values())}" + "".join(f", {kind}: {n}" for kind, n in sorted(counts.items()))

        lines = [f"chips asked: {self.asked}, read: {self.read}", f"refused: {by_kind(self.refused)}"]
        return [*lines, f"failures tried again: {by_kind(self.retried)}"]


@dataclass(frozen=True)
class Header:
    """What a raster says of itself."""

    crs: Any
    """rasterio.crs.CRS, projected."""
    lattice: Lattice
    count: int
    nodata: tuple[float | None, ...]
    """By band, from the file."""


class Raster:
    """A GeoTIFF at `uri`, opened when first needed and again after a failure; for one thread, inside a rasterio.Env."""

    def __init__(self, uri: str, tally: Tally) -> None:
        self.uri, self._tally = uri, tally
        self._path = gdal.gdal_path(uri)
        self._dataset: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Closes the file and removes a local copy, if there is one."""
        self._reset()
        if self._folder is not None:
            self._folder.cleanup()

    def header(self) -> Header:
        """Its header. Raises Refused (also for a grid that chips cannot be cut from), UnavailableError, DataError."""
        return self._do(_header)

    def read(self, bands: Sequence[int], windows: Sequence[blocks.Window]) -> list[npt.NDArray[Any]]:
        """Pixels of each window, as blocks.read_windows. Raises Refused, UnavailableError, DataError.

        If GDAL cannot fetch the table of a file's blocks, it takes them for blocks that were never written, fills them with
        0 (or nodata) and says nothing. So such pixels of an object are believed when a second opening says the same.
        """

        def work(dataset: Any) -> tuple[list[npt.NDArray[Any]], set[float]]:
            asked = [windows[i] for i in doubtful]
            return blocks.read_windows(dataset, bands, asked), {0.0, *(n for n in dataset.nodatavals if n is not None)}

        doubtful = list(range(len(windows)))
        found, empty = self._do(work)
        if not self._path.startswith("/vsis3/"):
            return found
        doubtful = [i for i, pixels in enumerate(found) if np.isin(pixels, list(empty)).any()]
        while doubtful:
            self._reset()
            again, _ = self._do(work)
            differ = [i for i, pixels in zip(doubtful, again, strict=True) if not np.array_equal(pixels, found[i])]
            for i, pixels in zip(doubtful, again, strict=True):
                found[i] = pixels
            doubtful = differ
        return found

    def _reset(self) -> None:
        if self._dataset is not None:
            with _lock(self._path):
                self._dataset.close()
            self._dataset = None

    def _do(self, work: Callable[[Any], T]) -> T:
        doubts = 0

        def attempt() -> T:
            nonlocal doubts
            try:
                if self._dataset is None:
                    with _lock(self._path):
                        self._dataset = _opened(self._path)
                return work(self._dataset)
            except RasterioIOError as error:
                self._reset()
                kind = self._kind(error)
                doubts = doubts + 1 if kind in _DOUBTFUL else 0
                self._tally.count_retry(kind)
                # A passing failure, in the words that store.retrying waits on.
                failure = ConnectionError(f"{kind}: {error}")
            if doubts == DOUBTS:
                self._ask_store(lambda fs, path: fs.info(path))
            elif doubts >= 2 * DOUBTS:
                self._folder = tempfile.TemporaryDirectory(prefix="geomix-raster-")
                # From now on this copy is read, and its failures are final.
                local = Path(self._folder.name) / "object.tif"
                self._ask_store(lambda fs, path: fs.get_file(path, str(local)))
                self._path = str(local)
            raise failure

        return store.retrying(self.uri, attempt)

    def _kind(self, error: RasterioIOError) -> str:
        """The kind of a failure that may pass; raises Refused or DataError for one that will not."""
        if not self._path.startswith("/vsis3/"):
            raise Refused(*_local_verdict(Path(self._path), self.uri)) from None
        causes: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None:
            causes.append(cause)
            cause = cause.__cause__ or cause.__context__  # rasterio uses both
        names = {type(c).__name__ for c in causes}
        text = " ".join(str(c) for c in causes)
        if names & {"CPLE_AWSObjectNotFoundError", "CPLE_AWSBucketNotFoundError"}:
            raise Refused(chips.MISSING_OBJECT, f"{self.uri}: {error}") from None
        if "CPLE_AWSAccessDeniedError" in names:
            raise Refused(chips.PERMISSION_DENIED, f"{self.uri}: {error}") from None
        if names & {"CPLE_AWSInvalidCredentialsError", "CPLE_AWSSignatureDoesNotMatchError"}:
            # No sample's fault: all others would fail in the same way.
            remedy = "check the S3 credentials, region and AWS_ENDPOINT_URL"
            raise DataError(f"{self.uri}: {error}", remedy=remedy) from None
        status = re.search(r"HTTP response code: (\d+)", text)
        if status:
            return f"HTTP {status[1]}"
        if "CURL error" in text:
            return "timed out" if "timed out" in text or "too slow" in text else "connection"
        if "CPLE_AWSError" in names:
            return "refused by the store"
        return "broken read"

    def _ask_store(self, question: Callable[[Any, str], object]) -> None:
        """What geomix's own client makes of the object. Raises UnavailableError, Refused, DataError (credentials)."""
        fs, path = store.filesystem(self.uri)
        try:
            store.retrying(self.uri, lambda: question(fs, path))
        except FileNotFoundError:
            raise Refused(chips.MISSING_OBJECT, f"{self.uri}: no such object") from None
        except DataError as error:
            if isinstance(error.__cause__, PermissionError):
                raise Refused(chips.PERMISSION_DENIED, error.seen) from None
            raise


_LOCKS = tuple(threading.Lock() for _ in range(256))


def _lock(path: str) -> threading.Lock:
    """Of threads that open and close the same file, one at a time; reading needs no lock. Never held twice by a thread."""
    return _LOCKS[zlib.crc32(path.encode()) % len(_LOCKS)]


def _opened(path: str) -> Any:
    try:
        # No other driver: a text that happens to be a VRT would send GDAL wherever it says.
        dataset = rasterio.open(path, driver="GTiff")
        # Makes GDAL look through the file's directories (masks, overviews) now, while their bytes are at hand. Else the first
        # `read` does, and rasterio holds the interpreter's lock meanwhile: if another thread's close has dropped those bytes
        # from GDAL's cache, all threads stand still for a round trip, or for a stall's ten seconds. Hence _lock, too.
        dataset.mask_flag_enums  # noqa: B018
        return dataset
    except NotGeoreferencedWarning:
        # Only where warnings are errors; ignoring it here would change the filters of all threads. See _header.
        raise Refused(chips.NO_CRS, f"{path}: no place on the Earth") from None


def _local_verdict(path: Path, name: str) -> tuple[str, str]:
    """Refusal code and detail of a file (or local copy of one) that GDAL could not read; `name` is what people know it by."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        return chips.MISSING_OBJECT, f"{name}: no such file"
    except PermissionError:
        return chips.PERMISSION_DENIED, f"{name}: permission denied"
    except IsADirectoryError:
        return chips.NOT_A_RASTER, f"{name}: a folder"
    if head not in _TIFF:
        return chips.NOT_A_RASTER, f"{name}: begins with {head!r}, not as a TIFF does"
    return chips.TRUNCATED, f"{name}: a TIFF whose bytes end early or cannot be decoded"


def _header(dataset: Any) -> Header:
    t = dataset.transform
    if dataset.crs is None or t.is_identity:
        raise Refused(chips.NO_CRS, f"{dataset.name}: no coordinate system or no place on it")
    if not dataset.crs.is_projected:
        raise Refused(chips.UNSUPPORTED_GRID, f"{dataset.name}: its CRS is in degrees, not projected")
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise Refused(chips.UNSUPPORTED_GRID, f"{dataset.name}: rows do not run from north to south, columns west to east")
    lattice = Lattice(t.c, t.f, t.a, -t.e, dataset.width, dataset.height)
    return Header(dataset.crs, lattice, dataset.count, tuple(dataset.nodatavals))
