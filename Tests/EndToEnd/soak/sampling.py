"""What one look at the running proxy shows."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .stage import Stage

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """Seconds since the start of the soak; memory in kB; counters since the start of the proxy."""

    seconds: float
    resident: int
    anonymous: int
    descriptors: int
    threads: int
    backends: int
    logins: int
    refused: int
    cpu_seconds: float


class Sampler:
    """Takes samples, and keeps them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.begun = time.monotonic()
        self.samples: list[Sample] = []

    def take(self) -> Sample:
        process = Path(f"/proc/{self.stage.holdfast.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        # What follows the name in parentheses; utime and stime are the 14th and 15th field.
        fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        counters = self.stage.counters()
        descriptors, threads = self.stage.descriptors_and_threads()
        sample = Sample(
            seconds=round(time.monotonic() - self.begun, 1),
            resident=int(status["VmRSS"].split()[0]),
            anonymous=int(status["RssAnon"].split()[0]),
            descriptors=descriptors,
            threads=threads,
            backends=self._backends(),
            logins=counters.get("logins_completed", 0),
            refused=counters.get("statements_refused", 0),
            cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
        )
        self.samples.append(sample)
        return sample

    def _backends(self) -> int:
        begun = time.monotonic()
        try:
            return self.stage.sessions()
        except Exception as error:
            self.stage.tally.failed("sampler", begun, error)
            return 0

    def as_lists(self) -> dict[str, list[float]]:
        """One list for each column."""
        rows = [asdict(sample) for sample in self.samples]
        return {name: [row[name] for row in rows] for name in Sample.__dataclass_fields__}
