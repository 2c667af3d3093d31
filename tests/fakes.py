"""A shop in memory with the methods of `worker.magento.client.Magento` that an attempt uses, and faults on demand.

It keeps nonces as Magento does, stores markers, and lets calls arrive late. Amounts are not checked: a second refund
of the same lines succeeds, as partial refunds do in Magento, so that nothing but our own guards prevents a double.
"""
# ruff: noqa: ANN401 - documents and fields of any kind

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from redis.asyncio import Redis

from config.settings import Settings
from config.shops import ShopSettings
from tests.factories import an_invoice, an_order
from worker.chunk import receive
from worker.crash import Crashes
from worker.domain.answer import Answer
from worker.domain.crash_point import CrashPoint
from worker.domain.errors import InDoubt, NotSent, RefundError, Refused
from worker.domain.plan import ShopRules
from worker.domain.request import MagentoRequest
from worker.guards.gate import Gate
from worker.ledger.ledger import Ledger
from worker.magento.client import Magento
from worker.resources import Resources, Shop

Document = dict[str, Any]
#: How one call ends: what the client sees, and whether the shop did it.
Fate = Literal["done", "refused_connection", "lost_before", "lost_after", "late", "stalled_after", "error_after"]
#: Answers of Magento itself, which has noted the nonce by then; proxies answer the others.
_OF_MAGENTO = frozenset({400, 401, 500})
NONCE_LIFE_MS = 120 * 60 * 1000


def an_answer(status: int, body: object) -> Answer:
    """An answer as JSON."""
    return Answer(status=status, content_type="application/json", text=json.dumps(body))


NONCE_USED = an_answer(
    401, {"message": "The nonce is already being used by the consumer with ID %1", "parameters": ["1"]}
)
REFUSED = an_answer(
    400,
    {"message": "Creditmemo Document Validation Error(s):\nThe most money available to refund is $1.00."},
)
THROTTLED = Answer(status=429, content_type="text/plain", text="slow down", retry_after_seconds=7)
TOO_LARGE = Answer(status=413, content_type="text/html", text="<h1>Request Entity Too Large</h1>")
MASKED = an_answer(500, {"message": "Internal Error. Details are available in Magento log file. Report ID: webapi-1"})
FORBIDDEN = an_answer(
    401, {"message": "The consumer isn't authorized to access %resources.", "parameters": {"resources": "x"}}
)


@dataclass
class Call:
    """One call that reached the shop's door."""

    request: MagentoRequest
    nonce: str | None
    key: str
    latest_ms: float = 0


@dataclass
class FakeShop:
    """The shop.

    Attributes:
        now_ms: Its clock, for nonces and late calls.
        fates: How the next sends end, in order; "done" when none is left. An Answer is given as it is.
        memos: Every credit memo, with the key that asked for it under `_key`.
        late: Calls that left us and have not arrived yet.
        longest_ms: A late call arrives within this time.
        calls: Every call that was sent.
        broken: What every look-up raises, if anything.
    """

    now_ms: Callable[[], float] = lambda: 0.0
    orders: dict[int, Document] = field(default_factory=lambda: {7: an_order()})
    invoices: dict[int, Document] = field(default_factory=lambda: {3: an_invoice()})
    fates: deque[Fate | Answer | RefundError] = field(default_factory=deque)
    memos: list[Document] = field(default_factory=list)
    late: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    longest_ms: float = 120_000
    broken: RefundError | None = None
    send_before: float | None = None
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    gates: list[asyncio.Event] = field(default_factory=list)
    _nonces: dict[str, float] = field(default_factory=dict)

    async def send(
        self, request: MagentoRequest, *, nonce: str | None, idempotency_key: str, send_before: float | None = None
    ) -> Answer:
        self.send_before = send_before
        fate = self.fates.popleft() if self.fates else "done"
        if fate == "refused_connection":
            raise NotSent("refused", reason="connection_refused")
        if isinstance(fate, RefundError):
            raise fate
        call = Call(request, nonce, idempotency_key, self.now_ms() + self.longest_ms)
        self.calls.append(call)
        if isinstance(fate, Answer):
            return (self._note(nonce) if fate.status in _OF_MAGENTO else None) or fate
        if fate == "lost_before":
            raise InDoubt("dropped", reason="connection_lost")
        if fate == "late":
            self.late.append(call)
            raise InDoubt("no answer", reason="timeout")
        answer = self.arrive(call)
        if fate == "lost_after":
            raise InDoubt("dropped", reason="connection_lost")
        if fate == "stalled_after":
            gate = asyncio.Event()
            self.gates.append(gate)
            self.stalled.set()
            await gate.wait()
        return MASKED if fate == "error_after" else answer

    def arrive(self, call: Call) -> Answer:
        """Do what a call asks for, as Magento would: the nonce first."""
        if used := self._note(call.nonce):
            return used
        memo = {**_memo_of(call.request), "entity_id": 100 + len(self.memos), "_key": call.key}
        memo.setdefault("increment_id", f"{memo['entity_id']:09d}")
        self.memos.append(memo)
        return an_answer(200, _shown(memo) if "creditmemo" in call.request.path else str(memo["entity_id"]))

    def _note(self, nonce: str | None) -> Answer | None:
        """Note a nonce; the answer where it is in use already."""
        if nonce is None:
            return None
        self._nonces = {old: ms for old, ms in self._nonces.items() if ms > self.now_ms() - NONCE_LIFE_MS}
        if nonce in self._nonces:
            return NONCE_USED
        self._nonces[nonce] = self.now_ms()
        return None

    def let_arrive(self, *, until_ms: float = float("inf")) -> None:
        """Let the late calls arrive whose time ends until then."""
        due = [call for call in self.late if call.latest_ms <= until_ms]
        self.late = [call for call in self.late if call not in due]
        for call in due:
            self.arrive(call)

    def memos_per_key(self) -> Counter[str]:
        """Count the credit memos of each key: the oracle."""
        return Counter(memo["_key"] for memo in self.memos)

    # --- look-ups -------------------------------------------------------------------------------------------------

    async def order(self, order_id: int) -> Document:
        return self._get(self.orders, order_id)

    async def orders_by_number(self, increment_id: str) -> list[Document]:
        self._check()
        return [order for order in self.orders.values() if order["increment_id"] == increment_id]

    async def invoice(self, invoice_id: int) -> Document:
        return self._get(self.invoices, invoice_id)

    async def invoices_of(self, order_id: int) -> list[Document]:
        self._check()
        return [invoice for invoice in self.invoices.values() if invoice["order_id"] == order_id]

    async def creditmemos_of(self, order_id: int) -> list[Document]:
        self._check()
        return [_shown(memo) for memo in self.memos if memo["order_id"] == order_id]

    def _get(self, documents: dict[int, Document], number: int) -> Document:
        self._check()
        if number not in documents:
            raise Refused("The entity that was requested doesn't exist.", reason="not_found")
        return documents[number]

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken


def _memo_of(request: MagentoRequest) -> Document:
    body = cast("dict[str, Any]", request.body)
    given = body.get("creditmemo") or body.get("entity")
    if given:
        return dict(given)
    kind, number = request.path.split("/")[2:4]
    order_id = int(number) if kind == "order" else 7
    positive = body["arguments"].get("adjustment_positive", 0)
    total = sum(line["qty"] * 10 for line in body["items"]) + body["arguments"]["shipping_amount"] + positive
    return {"order_id": order_id, "base_grand_total": total, "comments": [body["comment"]]}


def _shown(memo: Document) -> Document:
    """A credit memo as JSON brings it, without our own note."""
    shown = {name: value for name, value in memo.items() if name != "_key"}
    return cast("Document", json.loads(json.dumps(shown, default=float)))


def shop_settings(*, has_nonces: bool = True, **changes: Any) -> ShopSettings:
    """Settings of a shop that is never called."""
    names = ("consumer_key", "consumer_secret", "access_token", "access_secret") if has_nonces else ("token",)
    auth = "oauth1" if has_nonces else "bearer"
    fields = {"base_url": "https://shop.example", "auth": auth, **dict.fromkeys(names, "none"), **changes}
    return ShopSettings.model_validate(fields)


def resources(  # noqa: PLR0913 - each is a part of the process that a test may want to choose
    redis: Redis,
    shop: FakeShop,
    *,
    ledger: Ledger,
    worker: str = "worker-1",
    has_nonces: bool = True,
    crashes: Crashes | None = None,
) -> Resources:
    """What one worker process works with, with the shop in memory."""
    settings = Settings.model_construct(max_attempts=5, max_document_bytes=262_144)
    configured = shop_settings(has_nonces=has_nonces)
    return Resources(
        settings=settings,
        redis=redis,
        ledger=ledger,
        shops={
            "default": Shop(
                settings=configured,
                magento=cast("Magento", shop),
                rules=ShopRules(),
                gate=Gate.fixed(8),
                has_nonces=has_nonces,
            )
        },
        worker=worker,
        crashes=crashes or Crashes(),
        jitter=lambda: 0.0,
    )


async def handle(keys: Sequence[str], lane: str, message: int, r: Resources) -> None:
    """Take one message in hand, and wait until nothing of it is in hand any more."""
    before = set(r.in_hand)
    await receive(keys, lane, message, r)
    await asyncio.gather(*(r.in_hand - before))


class ProcessDied(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it and write something."""


def crash_at(point: CrashPoint | None) -> Crashes:
    """A process that dies at a point; None for one that does not."""

    def die(point: CrashPoint) -> None:
        raise ProcessDied(point)

    return Crashes(odds={point: 1.0} if point else {}, kill=die)
