"""Sends HTTP requests one after the other, each on a new connection, and prints a line for each: who answered.

A request that failed prints `failed: REASON`. Without a COUNT it goes on until it gets SIGTERM, and then ends after
the request it is at.

usage: client.py ADDRESS[:PORT] [COUNT]
"""

from __future__ import annotations

import http.client
import itertools
import signal
import sys
import threading

TIMEOUT = 2.0


def ask(address: str) -> str:
    """Send one request and return the name of the server that answered, or `failed: REASON`."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return f"failed: {error}"
    finally:
        connection.close()
    return body if response.status == http.HTTPStatus.OK else f"failed: status {response.status}"


def main() -> None:
    """Send the requests the command line asks for."""
    address, *count = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for _ in range(int(count[0])) if count else itertools.count():
        if stop.is_set():
            break
        print(ask(address), flush=True)


if __name__ == "__main__":
    main()
