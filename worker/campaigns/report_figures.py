"""What the jobs of a campaign come to: totals per currency, outcomes by reason, money per day, latency. Pure.

Rows are counted one at a time and not kept, so a million need no more memory than ten.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from worker.campaigns.latency import CLASSES_MS, class_of, percentile
from worker.campaigns.report_row import Ending, Row
from worker.campaigns.timeline import Timeline


@dataclass(kw_only=True)
class Total:
    """Money of one shop in one base currency.

    Attributes:
        currency: Its code; empty where no credit memo says it.
        jobs: All jobs.
        assumed: Jobs without a credit memo, counted here because the shop's other jobs know one currency only.
        asked: What the jobs ask for, as far as it can be told.
        unnamed: Jobs that name no amount and got no quote: not part of `asked`.
        refunded: What the credit memos that moved money come to, as they were read back.
        persisted: What the credit memos that were only stored come to.
        answered_asked: What the jobs of those credit memos asked for.
        unread: Settled jobs whose credit memo was not read back: part of no sum but `asked`.
        not_refunded: What the dead letters that surely had no effect ask for.
        unknown: What the dead letters of which nobody knows ask for.
        cancelled: What the jobs ask for that were cancelled before anything was sent.
        open: What the jobs that are not finished ask for.
    """

    shop: str
    currency: str
    jobs: int = 0
    assumed: int = 0
    asked: Decimal = Decimal(0)
    unnamed: int = 0
    refunded: Decimal = Decimal(0)
    persisted: Decimal = Decimal(0)
    answered_asked: Decimal = Decimal(0)
    unread: int = 0
    not_refunded: Decimal = Decimal(0)
    unknown: Decimal = Decimal(0)
    cancelled: Decimal = Decimal(0)
    open: Decimal = Decimal(0)

    @property
    def difference(self) -> Decimal:
        """What the credit memos come to beyond what their jobs asked; finance wants a zero here."""
        return self.refunded + self.persisted - self.answered_asked

    def add(self, row: Row) -> None:
        """Count one row."""
        self.jobs += 1
        self.asked += row.asked or 0
        self.unnamed += row.asked is None
        asked = row.asked or Decimal(0)
        match row.ending:
            case Ending.REFUNDED | Ending.PERSISTED:
                self._add_answered(row)
            case Ending.NOT_REFUNDED:
                self.not_refunded += asked
            case Ending.UNKNOWN:
                self.unknown += asked
            case Ending.CANCELLED:
                self.cancelled += asked
            case Ending.OPEN:
                self.open += asked

    def _add_answered(self, row: Row) -> None:
        if row.confirmed is None:
            self.unread += 1
            return
        self.answered_asked += row.confirmed if row.asked is None else row.asked
        if row.ending is Ending.REFUNDED:
            self.refunded += row.confirmed
        else:
            self.persisted += row.confirmed

    def take_over(self, other: "Total") -> None:
        """Add jobs whose currency no credit memo says."""
        for one in fields(self):
            if one.name not in {"shop", "currency", "assumed"}:
                setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        self.assumed += other.jobs

    def summary(self) -> dict[str, Any]:
        """Give it as JSON can hold it; amounts are decimal strings with two decimals."""
        known = {one.name: getattr(self, one.name) for one in fields(self)} | {"difference": self.difference}
        return {name: f"{value:.2f}" if isinstance(value, Decimal) else value for name, value in known.items()}


@dataclass
class Figures:
    """Counts rows.

    Attributes:
        endings: Jobs by how they stand.
        reasons: Dead letters by reason code.
        services: Settled jobs by service.
        days: Money that was refunded, by (day, currency); days are UTC.
        settled: Settled jobs over time.
        latency: Settled jobs by class of latency.
        mismatches: Jobs whose credit memo is not what was asked for.
    """

    jobs: int = 0
    attempts: int = 0
    endings: Counter[Ending] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    days: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    settled: Timeline = field(default_factory=Timeline)
    latency: list[int] = field(default_factory=lambda: [0] * (len(CLASSES_MS) + 1))
    mismatches: int = 0
    first_ms: int = 0
    last_ms: int = 0
    _totals: dict[tuple[str, str], Total] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Count one row."""
        self.jobs += 1
        self.attempts += row.attempts
        self.endings[row.ending] += 1
        self.mismatches += bool(row.mismatch)
        self.first_ms = min(self.first_ms or row.accepted_ms, row.accepted_ms or self.first_ms)
        self.last_ms = max(self.last_ms, row.finished_ms)
        if row.ending in {Ending.NOT_REFUNDED, Ending.UNKNOWN}:
            self.reasons[row.why or "unknown"] += 1
        if row.ending in {Ending.REFUNDED, Ending.PERSISTED}:
            self._add_settled(row)
        total = self._totals.setdefault((row.shop, row.currency), Total(shop=row.shop, currency=row.currency))
        total.add(row)

    def _add_settled(self, row: Row) -> None:
        self.services[row.service or "unknown"] += 1
        self.settled.add(row.finished_ms)
        if row.call_ms is not None:
            self.latency[class_of(row.call_ms)] += 1
        if row.confirmed is not None and row.ending is Ending.REFUNDED:
            day = dt.datetime.fromtimestamp(row.finished_ms / 1000, tz=dt.UTC).date().isoformat()
            self.days[day, row.currency] = self.days.get((day, row.currency), Decimal(0)) + row.confirmed

    def totals(self) -> list[Total]:
        """Give the money per shop and currency; jobs without a credit memo count with their shop's only currency."""
        found = {place: _copy(total) for place, total in self._totals.items()}
        for (shop, currency), total in list(found.items()):
            others = [place for place in found if place[0] == shop and place[1]]
            if not currency and len(others) == 1:
                found[others[0]].take_over(total)
                del found[shop, currency]
        return [found[place] for place in sorted(found, key=lambda place: (place[0], not place[1], place[1]))]

    def summary(self) -> dict[str, Any]:
        """Give the figures as JSON can hold them."""
        return {
            "jobs": self.jobs,
            "attempts": self.attempts,
            "endings": {ending.value: self.endings[ending] for ending in Ending},
            "reasons": dict(self.reasons.most_common()),
            "services": dict(self.services.most_common()),
            "mismatches": self.mismatches,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "totals": [total.summary() for total in self.totals()],
            "money_per_day": [
                {"day": day, "currency": currency, "refunded": f"{money:.2f}"}
                for (day, currency), money in sorted(self.days.items())
            ],
            "latency_ms": {
                "up_to": [*CLASSES_MS, None],
                "jobs": list(self.latency),
                "p50": percentile(self.latency, 0.5),
                "p95": percentile(self.latency, 0.95),
            },
        }


def _copy(total: Total) -> Total:
    return Total(**{one.name: getattr(total, one.name) for one in fields(total)})
