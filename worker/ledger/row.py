"""What the ledger takes of a job when it is accepted, and what a producer is told of it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from worker.domain.asked import money_args
from worker.domain.job import RefundJob
from worker.domain.key import fingerprint
from worker.domain.limits import Limits


class Row(NamedTuple):
    """A job as the ledger takes it in; the fields in the order of `accept.lua`.

    Attributes:
        document: As JSON, with its defaults left out.
        cents: What it asks for, or "" where that is not known or does not count.
        limits: Limits of the settings on money, as the moves take them.
    """

    key: str
    fingerprint: str
    shop: str
    campaign: str
    document: str
    cents: str | int
    limits: str | int

    @classmethod
    def of(cls, job: RefundJob, document: str, limits: Limits) -> Self:
        """Make the row of a job: all that costs time and needs no ledger."""
        cents, text = money_args(job, limits)
        return cls(job.idempotency_key, fingerprint(job), job.shop, job.campaign or "", document, cents, text)


@dataclass(frozen=True)
class Receipt:
    """What a producer is told of one job.

    Attributes:
        status: `accepted`, `duplicate` or `key_conflict`.
        state: Where the job of that key stands.
        first: The document that was accepted first, for a duplicate or a conflict.
    """

    key: str
    status: Literal["accepted", "duplicate", "key_conflict"]
    state: str
    first: str = ""
