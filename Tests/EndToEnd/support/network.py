"""A network of its own behind a slow and lossy line: a namespace, and a TUN device on either side with Python in between.

What netem does, without a kernel that has it: packets are late, lost, or out of order, and with `cut` all are lost, so
that a peer vanishes without FIN or RST. Needs root and /dev/net/tun (`can_have_network`).
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .programs import run

Value = TypeVar("Value")

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PACKET_INFORMATION = 0x1001
numbers = itertools.count(1)


def can_have_network() -> bool:
    return os.geteuid() == 0 and Path("/dev/net/tun").exists() and Path("/usr/sbin/ip").exists()


def open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PACKET_INFORMATION))
    return device


class Network:
    """`here` and `there` are the line's two addresses; programs run there with `command`, sockets are made with `there_do`."""

    def __init__(self, delay: float = 0, jitter: float = 0, loss: float = 0, seed: int = 1) -> None:
        self.delay, self.jitter, self.loss = delay, jitter, loss
        self.is_cut = False
        self.lost = 0
        self._random = random.Random(seed)
        number = next(numbers)
        self.name = f"hf{os.getpid()}x{number}"
        net = f"10.{64 + os.getpid() % 128}.{number % 256}"
        self.here, self.there = f"{net}.1", f"{net}.2"
        run("ip", "netns", "add", self.name)
        try:
            near, far = f"{self.name}a", f"{self.name}b"
            self._near = open_tun(near)
            self._far = self.there_do(lambda: open_tun(far))
            run("ip", "address", "add", f"{self.here}/30", "dev", near)
            run("ip", "link", "set", near, "up")
            run("ip", "-netns", self.name, "address", "add", f"{self.there}/30", "dev", far)
            run("ip", "-netns", self.name, "link", "set", far, "up")
            run("ip", "-netns", self.name, "link", "set", "lo", "up")
        except BaseException:
            run("ip", "netns", "delete", self.name)
            raise
        self._is_over, self._end = os.pipe()
        self._carrier = threading.Thread(target=self._carry, daemon=True)
        self._carrier.start()

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)
        self._carrier.join()
        for descriptor in (self._near, self._far, self._is_over):
            os.close(descriptor)
        run("ip", "netns", "delete", self.name)

    def command(self, *command: str) -> list[str]:
        """The command line that runs a program there."""
        return ["ip", "netns", "exec", self.name, *command]

    def there_do(self, action: Callable[[], Value]) -> Value:
        """What `action` opens belongs to the other side: sockets, devices."""
        answers: list[Value] = []

        def go() -> None:
            # A thread of its own, whose namespace ends with it.
            with open(f"/run/netns/{self.name}") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
                    raise OSError(ctypes.get_errno(), "setns")
            answers.append(action())

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        return answers[0]

    def listen_there(self) -> socket.socket:
        return self.there_do(lambda: socket.create_server((self.there, 0)))

    def dial_from_there(self, target: tuple[str, int]) -> socket.socket:
        return self.there_do(lambda: socket.create_connection(target, 10))

    def _carry(self) -> None:
        order = itertools.count()
        waiting: list[tuple[float, int, int, bytes]] = []
        while True:
            pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            ready, _, _ = select.select([self._near, self._far, self._is_over], [], [], pause)
            if self._is_over in ready:
                return
            for source, sink in ((self._near, self._far), (self._far, self._near)):
                if source not in ready:
                    continue
                packet = os.read(source, 1 << 16)
                if self.is_cut or self._random.random() < self.loss:
                    self.lost += 1
                    continue
                due = time.monotonic() + self.delay + self._random.random() * self.jitter
                heapq.heappush(waiting, (due, next(order), sink, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, sink, packet = heapq.heappop(waiting)
                if not self.is_cut:
                    try:
                        os.write(sink, packet)
                    except OSError:
                        pass  # A packet that the kernel will not take is one more that is lost.
