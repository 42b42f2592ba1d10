"""A real server: answers with its name, at once or, for `/long`, behind a dot for each of twenty that the client sends.

On SIGUSR1 it becomes slow, and quick again on the next one.

usage: server.py NAME ADDRESS PORT
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

#: How late a slow one answers, in seconds: later than a checker waits, and sooner than the client gives up.
SLOW = 0.8


class Handler(BaseHTTPRequestHandler):
    """Answers in HTTP/1.0: the connection ends with the answer."""

    name = b"nobody"
    delay = 0.0

    def do_GET(self) -> None:
        """Answer a request."""
        time.sleep(Handler.delay)
        self.send_response(200)
        self.end_headers()
        # Whoever asked may be gone.
        with suppress(OSError):
            if self.path == "/long":
                for _ in range(20):
                    self.wfile.write(self.rfile.read(1))
            self.wfile.write(self.name)

    def log_message(self, *_: object) -> None:
        """Keep quiet about requests: the client counts them."""


class Server(ThreadingTCPServer):
    """What ThreadingHTTPServer is, without the DNS lookup of its own address at the start."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until killed."""
    name, address, port = sys.argv[1:]
    Handler.name = name.encode()
    signal.signal(signal.SIGUSR1, lambda *_: setattr(Handler, "delay", SLOW - Handler.delay))
    with Server((address, int(port)), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
