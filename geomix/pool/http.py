"""Bytes from an HTTP server, with the retries of `store`: what a STAC catalogue or a search endpoint answers."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
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


def shown(uri: str) -> str:
    """`uri` for messages: of an URL without user, query and fragment, which may hold a token; any other URI as it is."""
    if not is_http(uri):
        return uri
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.split("?", 1)[0].split("#", 1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def quoted(url: str) -> str:
    """`url` in ASCII, as a request needs it: the host in IDNA, other characters as %XX; without fragment.

    What is quoted already stays. Raises DataError for one that no server could be asked for.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme not in ("http", "https") or not host or port == 0:
            raise ValueError("no host" if not host else "no port" if port == 0 else "not http: or https:")
        if "@" in parts.netloc:
            raise ValueError("it holds a user or a password")
        netloc = parts.netloc if parts.netloc.isascii() else host.encode("idna").decode() + (f":{port}" if port else "")
    except ValueError as error:
        # Its own message may repeat the URL with all that it holds.
        said = "" if "@" in url else f" ({error})"
        raise DataError(f"{shown(url)}: no URL that can be asked{said}", wanted="https://host/path") from None
    path, query = (urllib.parse.quote(text, safe="/%:@!$&'()*+,;=~?[]") for text in (parts.path, parts.query))
    return urllib.parse.urlunsplit((parts.scheme, netloc, path, query, ""))


def fetch(url: str, body: Any = None) -> bytes:
    """The answer to GET `url`, or to POST with `body` as JSON.

    Answers 5xx and 429 and lost connections are tried again, as `store.retrying` does. Raises DataError for any other answer
    but success, UnavailableError in the end.
    """
    name = shown(url)
    headers = {"Accept": "application/geo+json, application/json;q=0.9, */*;q=0.5", "User-Agent": "geomix"}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(quoted(url), data=data, headers=headers)

    def call() -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= 500 or error.code in _PASSING:
                raise OSError(f"HTTP {error.code} ({error.reason})") from None
            remedy = "check the URL" if error.code in (400, 404, 410) else "check the URL and the credentials"
            raise DataError(f"{name}: the server answers HTTP {error.code} ({error.reason})", remedy=remedy) from None
        except (http.client.InvalidURL, UnicodeError) as error:
            raise DataError(f"{name}: no URL that can be asked ({error})", wanted="https://host/path") from None
        except http.client.HTTPException as error:
            raise ConnectionError(f"the connection broke ({type(error).__name__})") from None

    return store.retrying(name, call)
