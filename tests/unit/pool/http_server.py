"""An HTTP server on the loopback interface that answers as a function says, and can fail first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, Any], tuple[int, Any]]
"""(path, posted JSON or None) -> (status, JSON)."""


@dataclass
class Server:
    """Its address; the next `fail` requests get 503; `seen`: (path, posted JSON) of those that were answered."""

    url: str = ""
    fail: int = 0
    seen: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def served(answer: Answer) -> Iterator[Server]:
    """The running server."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            posted = json.loads(self.rfile.read(length)) if length else None
            if server.fail > 0:
                server.fail -= 1
                status, content = 503, {}
            else:
                server.seen.append((self.path, posted))
                status, content = answer(self.path, posted)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
