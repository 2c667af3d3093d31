"""What would come of replaying a dead letter: the shop is asked as the worker asks it, and nothing is sent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from worker.dead_letters.letter import Letter
from worker.dead_letters.replay import objection
from worker.domain.asked import preflight_under_a_limit
from worker.domain.errors import RefundError
from worker.domain.facts import Facts
from worker.domain.job import RefundJob, parse_stored
from worker.domain.lines import PreflightRefusal
from worker.domain.money import cents
from worker.domain.plan import Plan, plan
from worker.domain.preflight import invoice_of
from worker.domain.problems import InvalidJob
from worker.domain.quote import Quote, not_covered, quote
from worker.domain.would_refuse import WouldRefuse
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.lookups import NotFound, order_of, read_facts
from worker.magento.reconcile import marked
from worker.resources import Shop

#: Letters that are looked at together.
_PAGE: Final = 100
#: Looks at one shop at once: it has its refunds to do meanwhile.
_AT_ONCE: Final = 4


class Outlook(StrEnum):
    """What a replay of a letter would come to."""

    #: Nothing of it is at the shop, and the shop would take it.
    WOULD_REFUND = "would_refund"
    #: The shop has its credit memo: the job would settle with it, and nothing would be sent.
    ALREADY_REFUNDED = "already_refunded"
    #: It would be a dead letter again, for the reason that is given.
    WOULD_BE_REFUSED = "would_be_refused"
    #: The shop cannot be asked, or what comes of it depends on others.
    CANNOT_TELL = "cannot_tell"
    #: It cannot be replayed as it is: it never became a job, or may hide moved money.
    NOT_REPLAYED = "not_replayed"


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What is foreseen for one letter.

    Attributes:
        letter: The letter, as it was when it was looked at.
        reason: Reason code of the next dead letter, where it would be refused.
        detail: For people.
        money: Base grand total of the credit memo that would be, or is there; None where nobody can tell.
        memo_id: The credit memo that is there.
        order: "<shop>:<entity id>" of its order, where it is known: replays of one order go one after the other.
    """

    letter: Letter
    outlook: Outlook
    detail: str
    reason: str = ""
    money: Decimal | None = None
    memo_id: int | None = None
    order: str = ""

    @property
    def name(self) -> str:
        """How it is known in a selection: its key, or its id where it never became a job."""
        return self.letter.key if self.letter.was_a_job else self.letter.id


async def foresee(letter: Letter, entry: Entry | None, shop: Shop | None, *, not_refunded: bool = False) -> Foreseen:
    """Say what would come of a replay, by the same code as the worker: marker, facts, plan and quote.

    Args:
        letter: The letter.
        entry: Its job in the ledger; None where it never became one.
        shop: The shop of its job; None where that is not configured here.
        not_refunded: Whether people looked at the gateway: no money of letters of verdict unknown moved.
    """
    if why := objection(letter, not_refunded=not_refunded):
        return Foreseen(letter=letter, outlook=Outlook.NOT_REPLAYED, detail=why)
    if entry is None or entry.state.value != "dead":
        state = entry.state.value if entry else "not in the ledger"
        return Foreseen(letter=letter, outlook=Outlook.NOT_REPLAYED, detail=f"its job is {state} by now")
    try:
        job = parse_stored(entry.doc)
    except InvalidJob as error:
        return Foreseen(letter=letter, outlook=Outlook.WOULD_BE_REFUSED, reason="invalid", detail=str(error))
    if shop is None:
        words = f"the shop {job.shop!r} is not configured here"
        return Foreseen(letter=letter, outlook=Outlook.CANNOT_TELL, detail=words)
    try:
        async with shop.reading():
            return await _asked(letter, entry, job, shop)
    except PreflightRefusal as refusal:
        return _refused(letter, refusal.reason, refusal.message)
    except NotFound as error:
        return _refused(letter, error.reason, error.message)
    except RefundError as error:
        words = f"the shop cannot be asked: {error.message} ({error.reason})"
        return Foreseen(letter=letter, outlook=Outlook.CANNOT_TELL, detail=words)


async def _asked(letter: Letter, entry: Entry, job: RefundJob, shop: Shop) -> Foreseen:
    order_id = await order_of(job, shop.magento, known=entry.sent.get("order_id"))
    own = marked(await shop.magento.creditmemos_of(order_id), letter.key, job.creditmemo)
    order = f"{job.shop}:{order_id}"
    if own:
        return Foreseen(
            letter=letter,
            outlook=Outlook.ALREADY_REFUNDED,
            detail=f"already refunded as {own[0].get('increment_id') or own[0]['entity_id']}",
            money=cents(own[0].get("base_grand_total")),
            memo_id=int(own[0]["entity_id"]),
            order=order,
        )
    if twin := await _same_number(job, shop):
        return _refused(letter, "duplicate_increment_id", f"credit memo {twin} has this number")
    is_limited = bool(shop.limits) or entry.is_limited
    policy = shop.rules.preflight
    rules = replace(shop.rules, preflight=preflight_under_a_limit(job, policy)) if is_limited else shop.rules
    facts = await read_facts(
        job, shop.magento, _no_lock, order_id=order_id, preflight=rules.preflight, is_repeated=True
    )
    made = plan(job, facts, rules)
    total = made.quote or await _quote_of_shop(job, made, shop, facts)
    money = total.total if total else None
    detail = f"would refund {money}" if money is not None else "would refund; the amount only the shop knows"
    outlook = Outlook.WOULD_REFUND
    if is_limited:
        outlook, detail = Outlook.CANNOT_TELL, f"{detail}, unless a limit on money holds it for approval"
    return Foreseen(letter=letter, outlook=outlook, detail=detail, money=money, order=order)


async def _quote_of_shop(job: RefundJob, made: Plan, shop: Shop, facts: Facts | None) -> Quote | None:
    """What the shop itself will make of a call that its settings let go unread; None where that is not computed here.

    Raises:
        PreflightRefusal: The shop will refuse it.
    """
    if facts is None and not job.is_persist:
        facts = await read_facts(
            job, shop.magento, _no_lock, order_id=made.order_id, preflight="always", is_repeated=True
        )
    if facts is None or not_covered(facts.order):
        return None
    try:
        return quote(made.service, made.request.body, facts.order, invoice=invoice_of(job, facts), memos=facts.memos)
    except WouldRefuse as refused:
        raise PreflightRefusal(refused.reason, str(refused), rule=refused.rule) from None


async def _same_number(job: RefundJob, shop: Shop) -> str:
    """Find a credit memo that has the number which the document asks for; numbers are unique in a store."""
    own = job.creditmemo or {}
    if not own.get("increment_id") or own.get("store_id") is None:
        return ""
    number = str(own["increment_id"])[:50]
    found = await shop.magento.creditmemos_by_number(number)
    same = [memo for memo in found if str(memo.get("store_id")) == str(own["store_id"])]
    return f"{number} (id {same[0]['entity_id']})" if same else ""


def _refused(letter: Letter, reason: str, message: str) -> Foreseen:
    return Foreseen(letter=letter, outlook=Outlook.WOULD_BE_REFUSED, reason=reason, detail=f"{reason}: {message}")


async def _no_lock(_order_id: int) -> None:
    """Nothing is sent, so nothing is locked."""


_CROWDED: Final = "depends on other letters of its order in this selection, which are replayed before it"


def crowded(found: Sequence[Foreseen]) -> list[Foreseen]:
    """Take back what was foreseen where another letter of the same order comes first and may use up what is left."""
    seen: Counter[str] = Counter()
    known = []
    for one in found:
        if one.order and one.outlook is Outlook.WOULD_REFUND:
            seen[one.order] += 1
            if seen[one.order] > 1:
                known.append(replace(one, outlook=Outlook.CANNOT_TELL, detail=_CROWDED))
                continue
        known.append(one)
    return known


async def foresee_all(
    letters: AsyncIterator[Letter],
    ledger: Ledger,
    shops: Mapping[str, Shop],
    *,
    not_refunded: bool = False,
    tell: Callable[[int], None] = lambda _more: None,
) -> list[Foreseen]:
    """Look at many letters, a few at once per shop; gives what is foreseen, in their order.

    Args:
        tell: Is told how many more were looked at.
    """
    found: list[Foreseen] = []
    page: list[Letter] = []
    room = {name: asyncio.Semaphore(_AT_ONCE) for name in shops}

    async def look(letter: Letter, entry: Entry | None) -> Foreseen:
        name = letter.shop or str(letter.job.get("shop") or "default")
        async with room.get(name) or nullcontext():
            return await foresee(letter, entry, shops.get(name), not_refunded=not_refunded)

    async def look_at_page() -> None:
        entries = await ledger.find_many([letter.key for letter in page if letter.was_a_job])
        found.extend(await asyncio.gather(*(look(letter, entries.get(letter.key)) for letter in page)))
        tell(len(page))
        page.clear()

    async for letter in letters:
        page.append(letter)
        if len(page) == _PAGE:
            await look_at_page()
    if page:
        await look_at_page()
    return crowded(found)
