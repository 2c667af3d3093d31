"""What a move answers where a job goes over a limit on money."""

from decimal import Decimal
from typing import Self

from worker.domain.limits import Hold, of_cents


class OverLimit(Exception):
    """The job goes over a limit on money; nothing was sent, it must be held.

    Attributes:
        hold: Which limit, and how much of it is spent.
    """

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.words)
        self.hold = hold

    @classmethod
    def of(cls, answer: str, *, asked: Decimal | None) -> Self:
        """Read `over <kind> <limit> <spent>`, the amounts in cents."""
        _, kind, limit, spent = answer.split()
        reason = f"over_{kind}_limit"
        return cls(Hold(reason=reason, asked=asked, limit=of_cents(limit), spent=of_cents(spent) or Decimal("0.00")))
