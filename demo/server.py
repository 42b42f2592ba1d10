"""A tiny HTTP server that answers every request with its own name, on a connection of its own.

usage: server.py NAME ADDRESS PORT
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer


class Handler(BaseHTTPRequestHandler):
    """Answers with the server's name, in HTTP/1.0: the connection ends with the answer."""

    name = b"nobody"

    def do_GET(self) -> None:
        """Answer a request."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(self.name)))
        self.end_headers()
        self.wfile.write(self.name)

    def log_message(self, *_: object) -> None:
        """Keep quiet about requests: the story counts them."""


class Server(ThreadingTCPServer):
    """What ThreadingHTTPServer is, without the DNS lookup of its own address at the start."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until killed."""
    name, address, port = sys.argv[1:]
    Handler.name = name.encode()
    with Server((address, int(port)), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
