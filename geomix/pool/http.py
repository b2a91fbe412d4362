"""Bytes from an HTTP server, with the retries of `store`: what a STAC catalogue or a search endpoint answers."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from geomix import store
from geomix.errors import DataError

TIMEOUT_SECONDS = 60.0
_PASSING = (408, 425, 429)
"""Answers beside 5xx that say: try again later."""


def is_http(uri: str) -> bool:
    """True for an http: or https: URL."""
    return uri.startswith(("http://", "https://"))


def fetch(url: str, body: Any = None) -> bytes:
    """The answer to GET `url`, or to POST with `body` as JSON.

    Answers 5xx and 429 and lost connections are tried again, as `store.retrying` does. Raises DataError for any other answer
    but success, UnavailableError in the end.
    """
    shown = url.split("?", 1)[0]  # a query may hold a token
    headers = {"Accept": "application/geo+json, application/json;q=0.9, */*;q=0.5", "User-Agent": "geomix"}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    try:
        request = urllib.request.Request(url, data=data, headers=headers)
    except ValueError as error:
        raise DataError(f"{shown}: {error}", wanted="a URL") from None

    def call() -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= 500 or error.code in _PASSING:
                raise OSError(f"HTTP {error.code} ({error.reason})") from None
            remedy = "check the URL" if error.code in (400, 404, 410) else "check the URL and the credentials"
            raise DataError(f"{shown}: the server answers HTTP {error.code} ({error.reason})", remedy=remedy) from None
        except http.client.HTTPException as error:
            raise ConnectionError(f"the connection broke ({type(error).__name__})") from None

    return store.retrying(shown, call)
