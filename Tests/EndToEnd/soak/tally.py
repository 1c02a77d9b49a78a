"""What the actors of a soak have done, and which of their errors nobody expected."""

import threading
import time
from collections import Counter

# The server's clients may see the last of a restart a little after it; the proxy's probes may too.
GRACE = 2.0


class Outages:
    """When the server was being restarted. Errors of what overlaps one are expected."""

    def __init__(self) -> None:
        self._spans: list[list[float]] = []

    def begin(self) -> None:
        self._spans.append([time.monotonic(), float("inf")])

    def end(self) -> None:
        self._spans[-1][1] = time.monotonic() + GRACE

    def overlap(self, since: float) -> bool:
        """Whether one lies between then and now."""
        now = time.monotonic()
        return any(begin <= now and since <= end for begin, end in self._spans)


class Tally:
    """Counts by name. Any thread."""

    def __init__(self) -> None:
        self.outages = Outages()
        self.counts: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        with self._lock:
            self.counts[name] += count

    def failed(self, actor: str, since: float, error: BaseException) -> None:
        """An actor's turn, or something that lasts from `since` on, has ended with an error."""
        if self.outages.overlap(since):
            self.add("broken by a restart of the server")
            return
        with self._lock:
            self.unexpected.append(f"{time.strftime('%H:%M:%S')} {actor}: {type(error).__name__}: {error}")
