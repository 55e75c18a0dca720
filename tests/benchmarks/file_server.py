"""A web server of files in this process, which can be told to behave badly."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote


@dataclass
class Ways:
    """How one file is served; each list is used up, one entry a GET."""

    ranges: bool = True
    etag: str = '"1"'
    head: bool = True
    length: int | None = 0  # what HEAD says in place of the right one; None for no word about it
    claimed: int = 0  # what GET says in place of the right one
    kind: str = "application/octet-stream"
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)  # bytes after which the connection is closed
    shifts: list[int] = field(default_factory=list)  # bytes by which a range begins too late
    pause: float = 0.0  # seconds between pieces of 64 kB
    location: str = ""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ways, self.requests = {}, {}, []
        self.json, self.gated = {}, set()  # of the Hugging Face hub: answers, and what is only for the licensed
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Clients that are killed are no news."""

    def gets(self, path):
        """The range that each GET of a file asked for; an empty text for all of it."""
        return [wanted for method, name, wanted in self.requests if (method, name) == ("GET", path)]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.respond()

    def do_GET(self):
        self.respond()

    def do_POST(self):
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        rows = [row for row in self.server.json[unquote(self.path)] if row["path"] in asked["paths"]]
        self.send_json(rows)

    def send_json(self, value):
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def respond(self):
        path, get = unquote(self.path.partition("?")[0]), self.command == "GET"
        self.server.requests.append((self.command, path, self.headers.get("Range", "")))
        ways, content = self.server.ways.get(path, Ways()), self.server.files.get(path)
        if path in self.server.json:
            self.send_json(self.server.json[path])
            return
        if path in self.server.gated:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if ways.location:
            self.send_response(302)
            self.send_header("Location", ways.location)
            self.end_headers()
            return
        if content is None or (not get and not ways.head) or (get and ways.statuses):
            self.send_error(404 if content is None else ways.statuses.pop(0) if get else 405)
            return
        start = self.first_byte(ways)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", "0" * 40)
        if ways.etag:
            self.send_header("ETag", ways.etag)
        length = (ways.claimed or len(content)) - start if get else ways.length or len(content)
        if ways.length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", ways.kind)
        self.end_headers()
        if get:
            self.send_pieces(content[start:], ways)

    def first_byte(self, ways):
        wanted = self.headers.get("Range", "")
        if not wanted or not ways.ranges or self.headers.get("If-Range") != ways.etag:
            return 0
        return int(wanted.removeprefix("bytes=").split("-")[0]) + (ways.shifts.pop(0) if ways.shifts else 0)

    def send_pieces(self, content, ways):
        if ways.cuts:
            content = content[: ways.cuts.pop(0)]
        for begin in range(0, len(content), 1 << 16):
            self.wfile.write(content[begin : begin + (1 << 16)])
            time.sleep(ways.pause)


@contextmanager
def serving():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
