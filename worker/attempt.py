"""One attempt under way, as a value: what it works with, and what happened so far."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.job import RefundJob
from worker.domain.plan import Plan
from worker.guards.gate import Slot
from worker.ledger.entry import Claim, Entry
from worker.resources import Resources, Shop

#: A call that could not be written within this many seconds after it was marked `sent` is not made any more:
#: the process was suspended, and somebody else may be reconciling the job by now.
SEND_WITHIN_SECONDS: Final = 3.0


@dataclass
class Attempt:
    """One attempt under way; what happened is gathered for the one canonical log line."""

    claim: Claim
    job: RefundJob
    shop: Shop
    r: Resources
    began: float
    order_id: int | None = None
    plan: Plan | None = None
    number: int = 0
    status: int | None = None
    rule: str = ""
    is_proven: bool = True
    evidence: dict[str, Any] | None = None
    slot: Slot = field(default_factory=Slot)

    @property
    def is_limited(self) -> bool:
        """Whether a limit on money applies, so that what the refund will be must be known before the call."""
        return bool(self.shop.limits) or self.entry.is_limited

    @property
    def entry(self) -> Entry:
        """The entry as it was claimed."""
        return self.claim.entry

    def server_ms(self) -> int:
        """The server's time now: that of the claim and what has passed since."""
        return self.claim.now_ms + int((time.monotonic() - self.began) * 1000)

    @property
    def departs_within_seconds(self) -> float:
        """How long after the mark `sent` a call can still leave us; only then does the shop's longest request begin."""
        return SEND_WITHIN_SECONDS + self.shop.settings.connect_timeout_seconds
