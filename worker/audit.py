"""Audit: the ledger against the shop, both ways. Reads only; every difference is named.

One way: each settled key has its credit memo, of its order, with its marker and the expected amount. The other way:
each credit memo that bears a marker belongs to a settled key, and to that key alone. For a campaign the other way is
gone through its jobs' orders only, so that its cost grows with the campaign and not with the shop.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.facts import Document, by_order
from worker.domain.job import parse_stored
from worker.domain.key import markers_in
from worker.domain.lifecycle import State
from worker.domain.money import cents
from worker.domain.outcome import Via
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.lookups import check_total
from worker.magento.client import Magento
from worker.magento.reconcile import marked
from worker.resources import Shop

_PAGE: Final = 100
#: Reads of a shop at once: enough to be quick, and no load that it would notice.
_AT_ONCE: Final = 4
#: States of a job that may still get its credit memo; a memo found for one is no difference.
_OPEN: Final = frozenset({State.QUEUED, State.WAITING, State.HELD, State.CLAIMED, State.SENT, State.IN_DOUBT})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that ledger and shop do not agree on.

    Attributes:
        kind: `missing`, `double`, `amount`, `other_memo`, `unknown_key`, `dead_but_refunded`,
            `cancelled_but_refunded` or `accounting`.
    """

    kind: str
    key: str
    shop: str = ""
    memo_id: int | None = None
    detail: str = ""


@dataclass(kw_only=True)
class Audit:
    """What an audit looked at and found.

    Attributes:
        settled: Settled jobs whose credit memo was looked for.
        memos: Credit memos that were read to find what no settled job explains.
        unchecked: Settled and dead jobs of shops that are not configured here.
    """

    settled: int = 0
    memos: int = 0
    open: int = 0
    dead: int = 0
    cancelled: int = 0
    unchecked: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


async def audit(
    ledger: Ledger,
    shops: Mapping[str, Shop],
    *,
    campaign: str | None = None,
    keys: AsyncIterable[Sequence[str]] | None = None,
    since: str | None = None,
) -> Audit:
    """Compare the ledger with every shop.

    Args:
        ledger: The ledger.
        shops: The shops to ask.
        campaign: Only jobs of this campaign, and the credit memos of their orders.
        keys: The keys of that campaign, in pages; without them every entry is looked at to find them.
        since: Only credit memos created from then on, as `YYYY-MM-DD HH:MM:SS` in UTC.

    Raises:
        NotSent, Throttled, Unauthorised: A shop could not be asked; nothing is known.
    """
    found = Audit(counts=await ledger.counts())
    if campaign is not None:
        async for page in keys or _keys_of(ledger, campaign):
            await check(found, ledger, page, shops)
        return found
    await _audit_all(found, ledger, shops)
    for shop in shops.values():
        await _look_for_others(found, ledger, shop, since)
    _check_accounts(found)
    return found


async def _audit_all(found: Audit, ledger: Ledger, shops: Mapping[str, Shop]) -> None:
    waiting: dict[str, list[Entry]] = {name: [] for name in shops}
    async for entry in ledger.entries():
        _count(found, entry, shops)
        if entry.state is not State.SETTLED or entry.shop not in shops:
            continue
        waiting[entry.shop].append(entry)
        if len(waiting[entry.shop]) == _PAGE:
            await _confirm(found, waiting[entry.shop], shops[entry.shop])
            waiting[entry.shop] = []
    for name, batch in waiting.items():
        await _confirm(found, batch, shops[name])


async def _keys_of(ledger: Ledger, campaign: str) -> AsyncIterable[Sequence[str]]:
    page: list[str] = []
    async for entry in ledger.entries():
        if entry.campaign == campaign:
            page.append(entry.key)
        if len(page) == _PAGE * _AT_ONCE:
            yield page
            page = []
    if page:
        yield page


def _count(found: Audit, entry: Entry, shops: Mapping[str, Shop]) -> None:
    found.open += entry.state in _OPEN
    found.dead += entry.state is State.DEAD
    found.cancelled += entry.state is State.CANCELLED
    found.unchecked += entry.state in {State.SETTLED, State.DEAD} and entry.shop not in shops


# --- by the jobs and their orders -----------------------------------------------------------------------------------


async def check(
    found: Audit, ledger: Ledger, keys: Sequence[str], shops: Mapping[str, Shop]
) -> list[tuple[Entry, Document | None]]:
    """Hold jobs against their shops, with every credit memo of their orders; what differs goes to `found`.

    Args:
        found: Where it is counted.
        ledger: The ledger.
        keys: Of the jobs, some hundreds at most.
        shops: The shops to ask.

    Returns:
        Each job's entry, in the order of the keys, with its credit memo as the shop gives it now.

    Raises:
        NotSent, Throttled, Unauthorised: A shop could not be asked; nothing is known.
    """
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(part: Sequence[str]) -> list[tuple[Entry, Document | None]]:
        async with turn:
            entries = list((await ledger.find_many(part)).values())
            memos: dict[str, Document] = {}
            for name, shop in shops.items():
                if own := [entry for entry in entries if entry.shop == name]:
                    async with shop.reading() as magento:
                        memos |= await _check_at(found, own, magento)
        for entry in entries:
            _count(found, entry, shops)
        return [(entry, memos.get(entry.key)) for entry in entries]

    parts = [keys[start : start + _PAGE] for start in range(0, len(keys), _PAGE)]
    return [pair for pairs in await asyncio.gather(*map(one, parts)) for pair in pairs]


async def _check_at(found: Audit, entries: Sequence[Entry], magento: Magento) -> dict[str, Document]:
    """Read all credit memos of the orders of up to 100 jobs, so that twins show; give each settled job's own."""
    settled = {entry.key: int(entry.result["memo_id"]) for entry in entries if entry.state is State.SETTLED}
    dead = [entry for entry in entries if _is_surely_unpaid(entry)]
    orders = {order for entry in entries if entry.key in settled or entry in dead if (order := _order_of(entry))}
    memos = {int(memo["entity_id"]): memo for memo in await magento.creditmemos_of_orders(sorted(orders))}
    if missing := set(settled.values()) - memos.keys():
        named = await magento.creditmemos_by_ids(sorted(missing))
        others = {int(memo["order_id"]) for memo in named} - orders
        named += await magento.creditmemos_of_orders(sorted(others))
        memos |= {int(memo["entity_id"]): memo for memo in named}
    of_order = by_order(memos.values())
    found.settled += len(settled)
    found.memos += len(memos)
    for entry in entries:
        if entry.key in settled:
            _check_settled(found, entry, memos.get(settled[entry.key]), of_order)
    for entry in dead:
        for own in _marked(entry, of_order[_order_of(entry)]):
            memo_id = int(own["entity_id"])
            if kind := _disagreement(entry, memo_id):
                detail = _DETAILS[kind].format(state=entry.state.value, verdict=entry.verdict)
                found.differences.append(_difference(kind, entry, memo_id, detail))
    return {key: memos[memo_id] for key, memo_id in settled.items() if memo_id in memos}


def _is_surely_unpaid(entry: Entry) -> bool:
    """Whether the ledger says that nothing of a job is at the shop."""
    return entry.state is State.CANCELLED or (entry.state is State.DEAD and entry.verdict != "unknown")


def _check_settled(found: Audit, entry: Entry, memo: Document | None, of_order: Mapping[Any, list[Document]]) -> None:
    memo_id = int(entry.result["memo_id"])
    for kind, detail in _wrong_with(entry, memo):
        found.differences.append(_difference(kind, entry, memo_id, detail))
    for twin in _marked(entry, of_order[memo.get("order_id")]) if memo else ():
        if int(twin["entity_id"]) != memo_id:
            detail = f"credit memo {memo_id} bears the same marker"
            found.differences.append(_difference("double", entry, int(twin["entity_id"]), detail))


def _marked(entry: Entry, memos: Sequence[Document]) -> list[Document]:
    own = entry.document().get("creditmemo")
    return marked(memos, entry.key, own if isinstance(own, dict) else None)


def _order_of(entry: Entry) -> int | None:
    """Give the entity id of a job's order as far as the ledger knows it."""
    document = entry.document()
    memo = document.get("creditmemo")
    inner = memo.get("order_id") if isinstance(memo, dict) else None
    known = (entry.confirmed.get("order_id"), entry.sent.get("order_id"), document.get("order_id"), inner)
    return next((int(order) for order in known if order), None)


def _difference(kind: str, entry: Entry, memo_id: int, detail: str) -> Difference:
    return Difference(kind=kind, key=entry.key, shop=entry.shop, memo_id=memo_id, detail=detail)


# --- all of the shop ------------------------------------------------------------------------------------------------


async def _confirm(found: Audit, batch: Sequence[Entry], shop: Shop) -> None:
    """Read the memos of up to 100 settled entries in one call, and hold each against its entry."""
    if not batch:
        return
    ids = sorted({int(entry.result["memo_id"]) for entry in batch})
    async with shop.reading() as magento:
        memos = {int(memo["entity_id"]): memo for memo in await magento.creditmemos_by_ids(ids)}
    for entry in batch:
        found.settled += 1
        memo_id = int(entry.result["memo_id"])
        for kind, detail in _wrong_with(entry, memos.get(memo_id)):
            found.differences.append(_difference(kind, entry, memo_id, detail))


def _wrong_with(entry: Entry, memo: Document | None) -> list[tuple[str, str]]:
    if memo is None:
        return [("missing", "the ledger says settled, the shop has no such credit memo")]
    job = parse_stored(entry.doc)
    wrong = []
    is_by_hand = entry.result.get("via") == Via.HUMAN  # people found it; what others made bears no marker
    if not marked([memo], entry.key, job.creditmemo) and not (job.online and job.creditmemo) and not is_by_hand:
        wrong.append(("other_memo", "the credit memo does not bear this key's marker"))
    if difference := check_total(job, memo):
        wrong.append(("amount", difference))
    then = entry.confirmed.get("base_grand_total")
    if then is not None and cents(then) != cents(memo.get("base_grand_total")):
        wrong.append(("amount", f"read back as {then}, the shop now says {cents(memo.get('base_grand_total'))}"))
    return wrong


async def _look_for_others(found: Audit, ledger: Ledger, shop: Shop, since: str | None) -> None:
    """Go through the shop's credit memos, oldest first, and ask the ledger about each marker."""
    seen: dict[str, int] = {}
    name, after = shop.settings.name, 0
    while page := await _memos_after(after, shop, since):
        after = int(page[-1]["entity_id"])
        for memo in page:
            found.memos += 1
            for key in markers_in(memo):
                memo_id = int(memo["entity_id"])
                if key in seen:
                    detail = f"credit memo {seen[key]} bears the same marker"
                    found.differences.append(
                        Difference(kind="double", key=key, shop=name, memo_id=memo_id, detail=detail)
                    )
                seen.setdefault(key, memo_id)
        await _ask_ledger(found, ledger, name, {key: seen[key] for memo in page for key in markers_in(memo)})


async def _memos_after(after: int, shop: Shop, since: str | None) -> Sequence[Document]:
    async with shop.reading() as magento:
        return await magento.creditmemos_after(after, since=since)


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
    "cancelled_but_refunded": "the ledger says that it was cancelled with its campaign before anything was sent",
}


def _disagreement(entry: Entry | None, memo_id: int) -> str | None:
    if entry is None:
        return "unknown_key"
    match entry.state:
        case State.SETTLED:
            return None if int(entry.result["memo_id"]) == memo_id else "other_memo"
        case State.DEAD:
            return "dead_but_refunded" if entry.verdict != "unknown" else None
        case State.CANCELLED:
            return "cancelled_but_refunded"
        case _:
            return None


def _check_accounts(found: Audit) -> None:
    """`accepted = settled + dead + waiting`, exactly."""
    states = sum(found.counts[state.value] for state in State)
    if found.counts["accepted"] != states:
        detail = f"accepted {found.counts['accepted']}, but the states add up to {states}"
        found.differences.append(Difference(kind="accounting", key="", detail=detail))
