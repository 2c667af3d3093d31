"""One ledger entry as a value, read from the hash that the Lua moves write."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from worker.domain.lifecycle import State
from worker.domain.limits import Hold, of_cents

_NUMBERS: Final = (
    *("fence", "sends", "accepted_ms", "updated_ms", "held_ms", "sent_ms", "first_ms", "cleared_ms"),
    *("looks", "tries", "deaths", "calls", "revision"),
)
_TEXTS: Final = (
    *("doc", "fingerprint", "shop", "lane", "campaign", "holder", "reason", "verdict", "message", "order"),
    *("if_absent", "closed", "approved_by", "approved_hash", "approved_cents"),
)
_DOCUMENTS: Final = ("sent", "result", "confirmed")
#: How each field is read; fields that are not here have a rule of their own, or belong to newer versions.
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_NUMBERS, lambda text: int(float(text or 0))),
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_DOCUMENTS, lambda text: json.loads(text or "{}")),
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the ledger knows of one key. Times are ms since 1970 on the Redis server's clock.

    Attributes:
        fence: Number of the newest claim; a holder with an older one cannot write.
        sends: The last send number used; 0 when nothing was sent yet.
        sent: What was sent last: service, path, order, online, what the order had refunded before.
        sent_ms: When it was sent last.
        first_ms: When this send number was used first: the shop keeps its nonce for 120 minutes from then.
        looks: How often the shop was asked about the send in doubt.
        tries: How often the job was deferred without a send since the last one.
        deaths: How many workers died while their attempt at it was under way.
        calls: How many sends ended in doubt.
        is_spent: Whether the shop proved that it saw the last nonce, so that this send number cannot come again.
        if_absent: What to do when the credit memo is proven absent: `resend` or `refuse`.
        cleared_ms: Up to when an unknown send is ruled out, by asking the shop.
        revision: Number of its document: 1 as accepted, one more with every edit.
        closed: How people closed its letter: `refunded` or `discarded`; empty where they did not.
        confirmed: What the credit memo turned out to be when it was read back; empty until then.
        look_first: Whether a replay asked for a look at the shop before anything is sent.
        hold: Why it is held for approval; None when it is not.
        is_limited: Whether a limit on money applied when it was accepted.
        money: What counts as spent for it; None where no limit applies, or it was given back.
        approved_hash: Fingerprint of the content that somebody let go over a limit.
        approved_cents: How much they saw, in cents; empty where nobody could tell.
        history: One line per attempt and event, oldest first.
    """

    key: str
    doc: str
    fingerprint: str
    state: State
    shop: str = "default"
    lane: str = "express"
    campaign: str = ""
    holder: str = ""
    fence: int = 0
    sends: int = 0
    accepted_ms: int = 0
    updated_ms: int = 0
    held_ms: int = 0
    sent_ms: int = 0
    first_ms: int = 0
    cleared_ms: int = 0
    looks: int = 0
    tries: int = 0
    deaths: int = 0
    calls: int = 0
    is_spent: bool = False
    look_first: bool = False
    if_absent: str = "resend"
    revision: int = 1
    closed: str = ""
    reason: str = ""
    verdict: str = ""
    message: str = ""
    order: str = ""
    hold: Hold | None = None
    is_limited: bool = False
    money: Decimal | None = None
    approved_by: str = ""
    approved_hash: str = ""
    approved_cents: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    confirmed: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, key: str, fields: Mapping[str, str]) -> "Entry":
        """Build an entry from the fields of its hash; unknown ones are left to newer versions."""
        values: dict[str, Any] = {name: _READ[name](text) for name, text in fields.items() if name in _READ}
        if "history" in fields:
            values["history"] = tuple(json.loads(line) for line in fields["history"].splitlines())
        return cls(
            key=key,
            state=State(fields["state"]),
            is_spent=fields.get("spent") == "1",
            look_first=fields.get("look_first") == "1",
            hold=_hold(fields) if fields["state"] == State.HELD else None,
            is_limited="limited" in fields,
            money=of_cents(fields.get("money")) if "money_day" in fields else None,
            **values,
        )

    @property
    def token(self) -> str:
        """Under what its holder writes: the fence and the worker's name."""
        return f"{self.fence}@{self.holder}"

    @property
    def is_approved_blindly(self) -> bool:
        """Whether somebody let this content go though nobody could tell what it will be."""
        return bool(self.approved_hash) and self.approved_hash == self.fingerprint and not self.approved_cents

    def document(self) -> dict[str, Any]:
        """The job document as stored, not validated."""
        document = json.loads(self.doc)
        return document if isinstance(document, dict) else {}


def _hold(fields: Mapping[str, str]) -> Hold:
    return Hold(
        reason=fields.get("reason", ""),
        asked=of_cents(fields.get("asked")),
        limit=of_cents(fields.get("held_limit")),
        spent=of_cents(fields.get("held_spent")) or Decimal("0.00"),
    )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to attempt one entry, held under the worker's lease and numbered by its fence.

    Attributes:
        entry: The entry as it stood when it was claimed.
        now_ms: The server's time at the claim.
        epoch_ms: Up to when the ledger may have lost what was written, as it stood at the claim.
        possibly_sent_ms: Until when a send that the ledger lost may have happened; 0 when none can have.
    """

    entry: Entry
    now_ms: int
    epoch_ms: int
    possibly_sent_ms: int = 0

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.entry.key

    @property
    def fence(self) -> int:
        """Number of this claim."""
        return self.entry.fence

    @property
    def token(self) -> str:
        """What every move of this attempt is made under: the fence and the worker that holds it."""
        return self.entry.token


def possibly_sent(entry: Entry, epoch_ms: int, *, after_loss: bool) -> int:
    """Until when a send may have happened that this ledger does not know of; 0 when none can have.

    Entries from before the last restart or failover may have lost their newest writes. After a data loss,
    that is true of every key, also of those that are accepted now.
    """
    if entry.cleared_ms > epoch_ms > 0:
        return 0
    is_older = entry.accepted_ms <= epoch_ms  # in the very same ms: nobody knows which came first
    if is_older or (after_loss and epoch_ms > 0):
        return epoch_ms
    return max(entry.accepted_ms, entry.sent_ms) if entry.look_first else 0
