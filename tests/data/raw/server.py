"""A real HTTP server on localhost that misbehaves as tests ask, request by request."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file, and what goes wrong with the next requests for it; each fault is used once."""

    content: bytes
    etag: str | None = '"1"'
    changed: str | None = None  # Last-Modified
    ranges: bool = True
    if_range: bool = True  # False: a range is answered even where If-Range names another version
    length: bool = True  # False: neither Content-Length nor chunks: the file ends where the connection does
    pause: float = 0.0  # seconds between blocks of 16 KiB
    faults: "deque[int | Drop | Stall | Served]" = field(default_factory=deque)
    asked: list[str | None] = field(default_factory=list)  # the Range of each request


@dataclass
class Drop:
    """Close the connection after so many bytes of the answer's body."""

    after: int


@dataclass
class Stall:
    """Stand still after so many bytes of the answer's body, until the client is gone."""

    after: int
    reached: threading.Event = field(default_factory=threading.Event)


class Shop(ThreadingHTTPServer):
    """Serves `files` by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def address(self, path: str = "") -> str:
        """Where a path is served."""
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        served = self.server.files.get(self.path.lstrip("/"))
        if served is None:
            return self.send_error(404)
        served.asked.append(self.headers.get("Range"))
        fault = served.faults.popleft() if served.faults else None
        if isinstance(fault, int):
            return self.send_error(fault)
        if isinstance(fault, Served):  # from now on another file is there
            fault.asked = served.asked
            served = self.server.files[self.path.lstrip("/")] = fault
            fault = served.faults.popleft() if served.faults else None
        self._send(served, fault if isinstance(fault, Drop | Stall) else None)

    def _send(self, served: Served, fault: Drop | Stall | None) -> None:
        start = self._start(served)
        if start is not None and start >= len(served.content):
            return self.send_error(416)
        body = served.content[start or 0 :]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        for name, value in (("ETag", served.etag), ("Last-Modified", served.changed)):
            if value:
                self.send_header(name, value)
        if served.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._stream(body[: fault.after] if fault else body, served.pause)
        if isinstance(fault, Stall):
            fault.reached.set()
            self.rfile.read()  # ends when the client does

    def _start(self, served: Served) -> int | None:
        asked, version = self.headers.get("Range"), self.headers.get("If-Range")
        if not asked or not served.ranges:
            return None
        if served.if_range and version and version not in (served.etag, served.changed):
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _stream(self, body: bytes, pause: float) -> None:
        try:
            for start in range(0, len(body), 2**14):
                self.wfile.write(body[start : start + 2**14])
                time.sleep(pause)
        except OSError:
            self.close_connection = True  # the client was killed
