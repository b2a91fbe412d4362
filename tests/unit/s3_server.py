"""An S3 server on the loopback interface, behind a proxy that can answer 503, hang up, or refuse for a while."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from geomix import store

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class Faults:
    """What the proxy does: the next `fail` requests, and every `every`-th one, get `status` (0: the connection is closed)."""

    fail: int = 0
    every: int = 0
    status: int = 503
    failed: int = 0
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bucket:
    """An empty bucket: its URI, and the faults in the way to it."""

    uri: str
    faults: Faults
    port: int = 0

    @contextmanager
    def checking_credentials(self) -> Iterator[None]:
        """Meanwhile the server checks credentials, and knows none."""
        self._post_auth_count(b"0")
        try:
            yield
        finally:
            self._post_auth_count(b"inf")

    def _post_auth_count(self, count: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/moto-api/reset-auth", count)
        assert connection.getresponse().status == 200
        connection.close()


def _handler(upstream: tuple[str, int], faults: Faults) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            faults.seen.append(f"{self.command} {self.path}")
            if faults.fail > 0 or (faults.every and len(faults.seen) % faults.every == 0):
                faults.fail, faults.failed = max(faults.fail - 1, 0), faults.failed + 1
                if faults.status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self._answer(faults.status, [("Content-Type", "application/xml")], SLOW_DOWN)
                return
            connection = http.client.HTTPConnection(*upstream, timeout=20)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("connection", "transfer-encoding")]
            self._answer(answer.status, headers, answer.read())
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if not (name.lower() == "content-length" and self.command != "HEAD"):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Proxy


@contextmanager
def served(patch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that `geomix.store` reaches by the usual variables."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    faults = Faults()
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(moto.get_host_and_port(), faults))
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
    patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    store._filesystem.cache_clear()  # a client of another test's server
    try:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.server_port)
        connection.request("PUT", "/bucket")
        assert connection.getresponse().status == 200
        connection.close()
        yield Bucket("s3://bucket", faults, proxy.server_port)
    finally:
        proxy.shutdown()
        proxy.server_close()
        moto.stop()
        store._filesystem.cache_clear()
