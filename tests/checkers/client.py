"""Never stops asking: three threads for short answers, three for long ones, each request on a connection of its own.

Prints a line for each: when it began and when it ended, by the monotonic clock, `short` or `long`, and who answered or
what went wrong: `refused`, `reset`, `timeout`, `cut`. On SIGTERM it begins nothing more and ends after what it is at.

usage: client.py ADDRESS PORT
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time

#: The longest time without a byte.
PATIENCE = 2.0
KINDS = {"short": "/", "long": "/long"}
stop = threading.Event()


def ask(address: tuple[str, int], path: str) -> str:
    """Send one request and say how it went."""
    answer = b""
    try:
        with socket.create_connection(address, PATIENCE) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            if path == "/long":
                # Two seconds, with something to be lost in both directions.
                for _ in range(20):
                    connection.sendall(b".")
                    time.sleep(0.1)
            while piece := connection.recv(4096):
                answer += piece
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "timeout"
    except OSError:
        return "reset"
    return answer.rpartition(b"\r\n\r\n")[2].decode().strip(".") or "cut"


def ask_on(address: tuple[str, int], kind: str) -> None:
    """Send requests until it is enough."""
    while not stop.is_set():
        begin = time.monotonic()
        outcome = ask(address, KINDS[kind])
        print(f"{begin} {time.monotonic()} {kind} {outcome}\n", end="", flush=True)
        time.sleep(0.02)


def main() -> None:
    """Ask until SIGTERM."""
    address = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [threading.Thread(target=ask_on, args=(address, kind)) for kind in KINDS for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
