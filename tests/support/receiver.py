"""A receiver of the tests' own, on loopback, that answers as a test says, and posts to it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

from billor.worker import outgoing

Posted = tuple[dict[str, str], bytes]


class Receiver(ThreadingHTTPServer):
    """Puts what it gets into `posted`; `answer` gets the handler after that."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, answer: Callable[[Any], None], port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer
        self.posted: Queue[Posted] = Queue()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, *_: Any) -> None:
        """A sender that closes early is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got: Posted = ({k.lower(): v for k, v in self.headers.items()}, body)
        self.server.posted.put(self.got)
        self.server.answer(self)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def status(code: int, **headers: str) -> Callable[[Any], None]:
    """Answer with a status and no body."""

    def answer(handler: Any) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


@contextmanager
def receiving(answer: Callable[[Any], None], port: int = 0) -> Iterator[Receiver]:
    with Receiver(answer, port) as receiver:
        thread = Thread(target=receiver.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()


def post(*request: Any, allow_private: bool = False) -> tuple[int, bytes]:
    """Post in a thread, as workers do: the tests' browser has an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(outgoing.post, *request, allow_private=allow_private).result()
