"""GDAL as geomix uses it: the one place for its settings, each with its reason, and its name for a URI."""

from __future__ import annotations

from urllib.parse import urlsplit

from geomix import store

SETTINGS: dict[str, str] = {
    # A chip names its file. Looking for side files lists the folder: one slow request, and in a bucket a long answer.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # GET of the head tells the size too: a HEAD before it is a round trip for nothing.
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    # The head of a COG of 10980 x 10980 pixels with its tile index fits into 32 KiB: one request instead of two or three.
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    # Tiles that lie side by side in the file come in one request.
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    # Retries are geomix's (store.retrying): GDAL's own would multiply with them, and are counted nowhere.
    "GDAL_HTTP_MAX_RETRY": "0",
    # What GDAL learnt of an object is forgotten when its file is closed. Otherwise a 503 is remembered as a property of the
    # object, and the next try fails without asking; and an object that was replaced is read half old, half new.
    "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",
    # A server that stalls is a failure after 10 s below 1 kB/s. A limit on the whole transfer would punish slow links.
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_TIME": "10",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    # The chips' threads are the concurrency; GDAL's own on top would oversubscribe the cores.
    "GDAL_NUM_THREADS": "1",
    # A TIFF states its georeference inside. A side file would not be looked for in a bucket, so it must not count locally.
    "GDAL_GEOREF_SOURCES": "INTERNAL",
}
"""GDAL's configuration in every thread that reads chips; never set for the whole process."""


def environment() -> dict[str, str]:
    """SETTINGS, and the object store that `geomix.store` uses: AWS_ENDPOINT_URL in GDAL's words.

    Credentials, profile and region need no translation: GDAL reads the same variables and files as s3fs.
    """
    endpoint = store.s3_endpoint()
    if endpoint is None:
        return dict(SETTINGS)
    address = urlsplit(endpoint)
    return SETTINGS | {
        "AWS_S3_ENDPOINT": (address.netloc + address.path).rstrip("/"),
        "AWS_HTTPS": "YES" if address.scheme == "https" else "NO",
        # As botocore does with an endpoint of one's own: bucket.host has no DNS entry there.
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


def gdal_path(uri: str) -> str:
    """GDAL's name of a `file:`, plain or `s3:` URI. Raises InputError for any other."""
    if uri.startswith("s3://"):
        return "/vsis3/" + uri.removeprefix("s3://")
    return str(store.local_path(uri))
