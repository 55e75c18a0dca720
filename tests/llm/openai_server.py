"""A real HTTP server that speaks OpenAI's chat protocol and answers as well or as badly as a test wants."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Raw:
    """A reply that is no ordinary answer."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    delay: float = 0.0


def completion(content, finish_reason="stop"):
    """An answer in OpenAI's wire format."""
    message = {"role": "assistant", "content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def fault(status, message, **more):
    return Raw(
        status, {"error": {"message": message, "type": "error", "param": None, "code": more.pop("code", None)}}, **more
    )


def caption_of(body):
    """The caption that a request asks about."""
    return body["messages"][-1]["content"].removeprefix("Caption: ").partition("\n")[0]


class OpenAIServer:
    """Answers what ``answer`` makes of a request's body: a text, an object (as JSON text) or a :class:`Raw`.

    ``script`` is used up first. Greetings, which carry no caption, are answered by themselves unless ``greeting`` says
    otherwise, and kept apart.
    """

    def __init__(self, answer: Callable = lambda body: "{}", greeting: Callable = lambda body: "{}", delay: float = 0):
        self.answer, self.greeting, self.delay, self.script = answer, greeting, delay, []
        self.asked, self.greetings, self.headers = [], [], []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.http = _Http(("127.0.0.1", 0), _Handler)
        self.http.owner = self
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @property
    def captions(self):
        return [caption_of(body) for body in self.asked]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()

    def reply(self, body, headers):
        greets = "ready" in body["messages"][-1]["content"] and len(body["messages"]) == 1
        with self.lock:
            self.headers.append(headers)
            (self.greetings if greets else self.asked).append(body)
            scripted = self.script.pop(0) if self.script and not greets else None
        if scripted is not None:
            return scripted
        return self.greeting(body) if greets else self.answer(body)


class _Http(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for an acknowledgement in between

    def do_POST(self):
        server = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            reply = server.reply(body, self.headers) if self.path == "/v1/chat/completions" else _NOT_FOUND
            time.sleep(reply.delay if isinstance(reply, Raw) else server.delay)
        finally:
            with server.lock:
                server.under_way -= 1
        if not isinstance(reply, Raw):
            reply = Raw(body=completion(reply if isinstance(reply, str) else json.dumps(reply)))
        self._send(reply)

    def _send(self, reply):
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Nothing on the test's screen."""


_NOT_FOUND = fault(404, "no such path")
