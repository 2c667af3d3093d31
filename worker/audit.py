"""Audit: the ledger against the shop, both ways. Reads only; every difference is named.

One way: each settled key has its credit memo, of its order, with its marker and the expected amount. The other way:
each credit memo that bears a marker belongs to a settled key, and to that key alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from worker.domain.facts import Document
from worker.domain.job import parse_job
from worker.domain.key import markers_in
from worker.domain.lifecycle import State
from worker.domain.outcome import Via
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.lookups import check_total
from worker.magento.client import Magento
from worker.magento.reconcile import marked

_PAGE: Final = 100
#: States of a job that may still get its credit memo; a memo found for one is no difference.
_OPEN: Final = frozenset({State.QUEUED, State.WAITING, State.HELD, State.CLAIMED, State.SENT, State.IN_DOUBT})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that ledger and shop do not agree on.

    Attributes:
        kind: `missing`, `double`, `amount`, `other_memo`, `unknown_key`, `dead_but_refunded` or `accounting`.
    """

    kind: str
    key: str
    shop: str = ""
    memo_id: int | None = None
    detail: str = ""


@dataclass(kw_only=True)
class Audit:
    """What an audit looked at and found."""

    settled: int = 0
    memos: int = 0
    open: int = 0
    dead: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


async def audit(
    ledger: Ledger,
    shops: Mapping[str, Magento],
    *,
    campaign: str | None = None,
    since: str | None = None,
) -> Audit:
    """Compare the ledger with every shop.

    Args:
        ledger: The ledger.
        shops: The shops to ask.
        campaign: Only jobs of this campaign; then the shop's other memos are not looked at.
        since: Only credit memos created from then on, as `YYYY-MM-DD HH:MM:SS` in UTC.

    Raises:
        NotSent, Throttled, Unauthorised: A shop could not be asked; nothing is known.
    """
    found = Audit(counts=await ledger.counts())
    waiting: dict[str, list[Entry]] = {name: [] for name in shops}
    async for entry in ledger.entries():
        if campaign is not None and entry.campaign != campaign:
            continue
        found.open += entry.state in _OPEN
        found.dead += entry.state is State.DEAD
        if entry.state is not State.SETTLED or entry.shop not in shops:
            continue
        waiting[entry.shop].append(entry)
        if len(waiting[entry.shop]) == _PAGE:
            await _confirm(found, waiting[entry.shop], shops[entry.shop])
            waiting[entry.shop] = []
    for name, batch in waiting.items():
        await _confirm(found, batch, shops[name])
    if campaign is None:
        for magento in shops.values():
            await _look_for_others(found, ledger, magento, since)
        _check_accounts(found)
    return found


async def _confirm(found: Audit, batch: Sequence[Entry], magento: Magento) -> None:
    """Read the memos of up to 100 settled entries in one call, and hold each against its entry."""
    if not batch:
        return
    memos = {int(memo["entity_id"]): memo for memo in await magento.creditmemos_by_ids(
        sorted({int(entry.result["memo_id"]) for entry in batch})
    )}  # fmt: skip
    for entry in batch:
        found.settled += 1
        memo_id = int(entry.result["memo_id"])
        for kind, detail in _wrong_with(entry, memos.get(memo_id)):
            found.differences.append(
                Difference(kind=kind, key=entry.key, shop=entry.shop, memo_id=memo_id, detail=detail)
            )


def _wrong_with(entry: Entry, memo: Document | None) -> list[tuple[str, str]]:
    if memo is None:
        return [("missing", "the ledger says settled, the shop has no such credit memo")]
    job = parse_job(entry.doc, max_bytes=len(entry.doc) + 1)
    wrong = []
    is_by_hand = entry.result.get("via") == Via.HUMAN  # people found it; what others made bears no marker
    if not marked([memo], entry.key, job.creditmemo) and not (job.online and job.creditmemo) and not is_by_hand:
        wrong.append(("other_memo", "the credit memo does not bear this key's marker"))
    if difference := check_total(job, memo):
        wrong.append(("amount", difference))
    return wrong


async def _look_for_others(found: Audit, ledger: Ledger, magento: Magento, since: str | None) -> None:
    """Go through the shop's credit memos, oldest first, and ask the ledger about each marker."""
    seen: dict[str, int] = {}
    after = 0
    while page := await magento.creditmemos_after(after, since=since):
        after = int(page[-1]["entity_id"])
        for memo in page:
            found.memos += 1
            for key in markers_in(memo):
                memo_id = int(memo["entity_id"])
                if key in seen:
                    detail = f"credit memo {seen[key]} bears the same marker"
                    found.differences.append(
                        Difference(kind="double", key=key, shop=magento.name, memo_id=memo_id, detail=detail)
                    )
                seen.setdefault(key, memo_id)
        await _ask_ledger(found, ledger, magento.name, {key: seen[key] for memo in page for key in markers_in(memo)})


async def _ask_ledger(found: Audit, ledger: Ledger, shop: str, memos: Mapping[str, int]) -> None:
    known = await ledger.find_many(list(memos))
    for key, memo_id in memos.items():
        entry = known.get(key)
        if kind := _disagreement(entry, memo_id):
            state, verdict = (entry.state.value, entry.verdict) if entry else ("nothing", "")
            detail = _DETAILS[kind].format(state=state, verdict=verdict)
            found.differences.append(Difference(kind=kind, key=key, shop=shop, memo_id=memo_id, detail=detail))


_DETAILS: Final = {
    "unknown_key": "the ledger knows {state} of this key",
    "other_memo": "the ledger settled this key with another credit memo",
    "dead_but_refunded": "the ledger has a dead letter with verdict {verdict}",
}


def _disagreement(entry: Entry | None, memo_id: int) -> str | None:
    if entry is None:
        return "unknown_key"
    match entry.state:
        case State.SETTLED:
            return None if int(entry.result["memo_id"]) == memo_id else "other_memo"
        case State.DEAD:
            return "dead_but_refunded" if entry.verdict != "unknown" else None
        case _:
            return None


def _check_accounts(found: Audit) -> None:
    """`accepted = settled + dead + waiting`, exactly."""
    states = sum(found.counts[state.value] for state in State)
    if found.counts["accepted"] != states:
        detail = f"accepted {found.counts['accepted']}, but the states add up to {states}"
        found.differences.append(Difference(kind="accounting", key="", detail=detail))
