"""A flood: connections that say nothing, and some that say who they are byte by byte, over and over.

A program of its own, so that it does not share an interpreter with the clients that it is to keep out. Prints how many
connections it has opened, line by line, until its input ends.
"""

import contextlib
import select
import socket
import struct
import sys
from collections import deque

HELD = 2500
PACKET = struct.pack("!II", 64, 196608) + b"user\0" + b"x" * 51


def main() -> None:
    host, port, is_spread = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "spread"
    held: deque[socket.socket] = deque()
    slow: deque[tuple[socket.socket, int]] = deque()
    opened = 0
    # 50 connections, then the slow ones' next bytes, about 20 times a second.
    while not select.select([sys.stdin], [], [], 0.03)[0]:
        for _ in range(50):
            source = f"127.{1 + opened % 200}.{1 + opened // 200 % 200}.9" if is_spread else "127.0.0.1"
            with contextlib.suppress(OSError):
                made = socket.create_connection((host, port), 10, (source, 0))
                held.append(made)
                if opened % 10 == 0:
                    slow.append((made, 0))
                opened += 1
        for _ in range(len(slow)):
            connection, sent = slow.popleft()
            with contextlib.suppress(OSError):
                connection.send(PACKET[sent : sent + 1])
                # The last byte never comes.
                if sent + 2 < len(PACKET):
                    slow.append((connection, sent + 1))
        while len(held) > HELD:
            held.popleft().close()
        print(opened, flush=True)


main()
