"""All figures of one run of the benchmark, as they are kept in docs/benchmarks/speed.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from tests.bench.enqueue import Aftercare, Size, Way
from tests.bench.latency import Latency
from tests.bench.scale import Backlog, Tick
from tests.bench.speed import Row, Run


@dataclass(frozen=True, kw_only=True)
class Results:
    """Figures and what they were measured on.

    Attributes:
        rows: Every variant at every latency.
        on_disk: Some variants at 50 ms with the append-only file on the disk.
    """

    date: str
    command: str
    machine: str
    versions: str
    rows: Sequence[Row] = ()
    on_disk: Sequence[Row] = ()
    latencies: Sequence[Latency] = ()
    ways: Sequence[Way] = ()
    sizes: Sequence[Size] = ()
    aftercare: Aftercare | None = None
    backlogs: Sequence[Backlog] = ()
    processes: Sequence[Backlog] = ()
    ticks: Sequence[Tick] = field(default=())

    def row(self, name: str, latency_ms: float = 50) -> Row | None:
        """Find a variant at a latency."""
        return next((row for row in self.rows if (row.name, row.latency_ms) == (name, latency_ms)), None)

    def save(self, path: Path) -> None:
        """Write all figures."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        raw = json.loads(path.read_text())
        kinds = {
            "latencies": Latency, "ways": Way, "sizes": Size, "backlogs": Backlog, "processes": Backlog, "ticks": Tick,
        }  # fmt: skip
        for name, kind in kinds.items():
            raw[name] = tuple(kind(**one) for one in raw[name])
        for name in ("rows", "on_disk"):
            raw[name] = tuple(
                Row(**{**one, "run": Run(**one["run"]), "spread": tuple(one["spread"])}) for one in raw[name]
            )
        raw["aftercare"] = Aftercare(**raw["aftercare"]) if raw["aftercare"] else None
        return cls(**raw)
