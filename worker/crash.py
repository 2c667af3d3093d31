"""A switch that tests enable: kill this process at a named moment, as a power cut would."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.domain.crash_point import CrashPoint


def _die(point: CrashPoint) -> None:
    """Say where, past every buffer and log handler, and die by SIGKILL, which nothing can catch."""
    os.write(2, f"crash.{point} {time.time():.3f}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Crashes:
    """Kills the process at chosen points; does nothing unless it is told which.

    Attributes:
        odds: For each point, the probability 0..1 that passing it kills the process.
        kill: What happens then.
    """

    odds: dict[CrashPoint, float] = field(default_factory=dict)
    kill: Callable[[CrashPoint], None] = _die

    @classmethod
    def parse(cls, spec: str | None) -> "Crashes":
        """Read `after_sent=0.01,before_settle`; a point without a number always kills.

        Raises:
            ValueError: A point that does not exist.
        """
        odds: dict[CrashPoint, float] = {}
        for part in filter(None, (spec or "").split(",")):
            name, _, number = part.partition("=")
            odds[CrashPoint(name.strip())] = float(number or 1)
        return cls(odds=odds)

    def pass_by(self, point: CrashPoint) -> None:
        """Die here, if this is the moment."""
        if self.odds and random.random() < self.odds.get(point, 0.0):  # noqa: S311 - a die, not a secret
            self.kill(point)
