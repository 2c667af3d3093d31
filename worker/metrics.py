"""Every metric, its labels and its unit, declared in one place; counted, and served, by each process for itself."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

log = structlog.get_logger("metrics")

ATTEMPTS: Final = Counter("refunds_attempts_total", "Attempts by how they ended.", ["outcome", "reason", "service"])
ATTEMPT_SECONDS: Final = Histogram(
    "refunds_attempt_seconds",
    "Time of one attempt, from claim to conclusion, in seconds.",
    ["service"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
ACCEPTED: Final = Counter("refunds_accepted_total", "Documents at a door by what became of them.", ["door", "status"])
ADOPTED: Final = Counter(
    "refunds_adopted_total", "Jobs taken over from dead workers, by the state they were in.", ["state"]
)
CONFIRMED: Final = Counter("refunds_confirmed_total", "Credit memos that were read back.", ["shop"])
MISMATCHES: Final = Counter(
    "refunds_mismatches_total", "Credit memos that are not what was asked for, by what is wrong with them.", ["kind"]
)
SHOP_LIMIT: Final = Gauge("refunds_shop_limit", "Calls at once that are allowed now, all workers together.", ["shop"])
SHOP_BREAKER_OPEN: Final = Gauge(
    "refunds_shop_breaker_open", "1 while nothing is sent to a shop that is away.", ["shop"]
)
PUBLISHED_AGAIN: Final = Counter("refunds_published_again_total", "Jobs whose message was lost.", ["lane"])


def attempt_finished(line: Mapping[str, Any]) -> None:
    """Count one attempt from its canonical line."""
    service = str(line.get("service", "none"))
    ATTEMPTS.labels(str(line["outcome"]), str(line.get("reason", "")), service).inc()
    ATTEMPT_SECONDS.labels(service).observe(line["took_ms"] / 1000)


def serve(address: str | None) -> None:
    """Serve the metrics of this process at `host:port`, in a thread of their own; None serves nothing.

    Where that cannot be, it is said and nothing else stops: refunds do not depend on it.
    """
    if address is None:
        return
    parts = urlsplit(f"//{address}")
    try:
        start_http_server(parts.port or 0, addr=parts.hostname or "")
    except OSError as error:
        log.error("metrics.not_served", address=address, error=str(error))  # noqa: TRY400 - expected, no traceback
