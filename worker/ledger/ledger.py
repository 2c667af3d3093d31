"""The ledger: what is known of every idempotency key. Each method is one atomic move, named as its Lua file.

The caller's fence is checked by every move that writes, so a worker that lost its lease changes nothing.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any, Final, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from worker.domain.lifecycle import State
from worker.domain.limits import NO_LIMITS, Hold, Limits, to_cents
from worker.ledger.entries import Entries
from worker.ledger.entry import Claim, Entry, possibly_sent
from worker.ledger.over_limit import OverLimit
from worker.ledger.row import Receipt, Row
from worker.ledger.scripts import Moves, to_json

LEDGER_KEY: Final = "refunds:ledger"
#: A job whose holder died this often is quarantined as `poison`.
POISON_DEATHS: Final = 3
#: After so many faults of our own on one job (each with a growing delay) a human must look: `internal_error`.
MAX_FAULTS: Final = 8
#: The same for a job that only waited in the hands of workers that died: it is innocent, unless it goes on for ever.
#: In a storm of a SIGKILL a second, jobs at the end of a worker's hand met 20 such deaths in a quarter of an hour.
STRAY_DEATHS: Final = 200


class LedgerMissing(Exception):
    """This Redis has no ledger. Nothing may be sent until `refunds ledger init` says what it is."""

    def __init__(self) -> None:
        super().__init__(
            "this Redis holds no ledger: run `refunds ledger init` if it is new, "
            "or `refunds ledger init --after-loss` if its data was lost",
        )


class StaleFence(Exception):
    """Another worker has taken this entry over; what we know no longer counts and nothing was written."""


class OrderBusy(Exception):
    """Another refund of the same order is in flight; this one waits in line, the claim must be given back."""


class Paused(Exception):
    """People have paused the job's shop or lane since the claim; nothing was sent, the claim must be given back."""


class ServerChanged(Exception):
    """Redis was restarted or replaced since the claim; nothing was written, and the shop must be asked first."""


class Cancelled(Exception):
    """The job's campaign was cancelled since the claim; nothing was sent, and nothing new may be."""


class Ledger(Entries):
    """The ledger in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, lease_seconds: float = 10, now_ms: Callable[[], float] | None = None) -> None:
        super().__init__(redis)
        self._lease_ms = int(lease_seconds * 1000)
        self._move = Moves(redis)
        self._clock = now_ms
        #: Whether `send` waits until its write is on disk; `learn_durability` finds out.
        self.waits_for_disk = False

    def _now(self) -> str | int:
        return int(self._clock()) if self._clock else ""

    # --- intake -----------------------------------------------------------------------------------------------

    async def accept(
        self, rows: Sequence[Row], *, lane: str, message: int | None = None
    ) -> tuple[int | None, list[Receipt]]:
        """Write the entries of new keys; say what is known of old ones.

        A job that goes over a limit on money is accepted as well, and held.

        Args:
            lane: `express` or `bulk`.
            message: Number of the message that will carry the accepted ones; the lane's next if not given. Upkeep tells
                by it which messages were lost.

        Returns:
            That number, None where there is nothing to carry, and the receipts.
        """
        number = "" if message is None else message
        carrier, *answers = await self._move("accept", self._now(), lane, number, *chain.from_iterable(rows))
        receipts = [
            Receipt(row.key, status, state, first) for row, (status, state, first) in zip(rows, answers, strict=True)
        ]
        return (int(carrier) if carrier else None), await self._with_first(receipts)

    async def _with_first(self, receipts: list[Receipt]) -> list[Receipt]:
        """Add the documents that were accepted first, where the moves cannot read them: those of packed entries."""
        packed = [one.key for one in receipts if one.status != "accepted" and not one.first]
        found = await self.find_many(packed) if packed else {}
        return [replace(one, first=found[one.key].doc) if one.key in found else one for one in receipts]

    # --- one attempt ------------------------------------------------------------------------------------------

    async def claim(
        self, keys: Sequence[str], *, worker: str, lane: str, message: int, full: Sequence[str] = ()
    ) -> list[Claim]:
        """Take the right to attempt each key that is free and due, and whose shop is called now; the others wait.

        Args:
            full: "<shop>/<lane>" of which this worker has too many in hand: they are parked.

        Raises:
            LedgerMissing: Nothing may be sent; the entries stay queued.
            RedisError: What was claimed is not known; all of it is given back by the heartbeat.
        """
        answer = await self._move("claim", self._now(), worker, self._lease_ms, lane, message, " ".join(full), *keys)
        if answer[0] == "no ledger":
            raise LedgerMissing
        now_ms, epoch_ms = int(answer[0]), int(answer[1])
        claims, unreadable = [], []
        for key, (verdict, *flat) in zip(keys, answer[3:], strict=True):
            if verdict == "claimed":
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                try:
                    entry = Entry.read(key, fields)
                except (ValueError, ArithmeticError):  # damaged: it must not stop the others
                    unreadable.append((key, f"{fields['fence']}@{fields['holder']}"))
                    continue
                unknown_ms = possibly_sent(entry, epoch_ms, after_loss=answer[2] == "after_loss")
                claims.append(Claim(entry=entry, now_ms=now_ms, epoch_ms=epoch_ms, possibly_sent_ms=unknown_ms))
        for key, token in unreadable:
            with suppress(ResponseError):  # so damaged that not even this can be done: the heartbeat gives it back
                await self.release(key, token, is_fault=True)
        return claims

    async def lock(self, claim: Claim, *, order_id: int) -> None:
        """Take the order before reading it.

        Raises:
            OrderBusy: Another refund of the order is in flight.
            StaleFence: The claim was lost.
        """
        _check(await self._move("lock", claim.key, claim.token, f"{claim.entry.shop}:{order_id}"))

    async def send(  # noqa: PLR0913 - each is one fact of a send
        self,
        claim: Claim,
        *,
        order_id: int,
        number: int,
        sent: Mapping[str, Any],
        is_cleared: bool = False,
        money: Decimal | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Write durably that the call is about to be made. Only after this may it be made.

        Args:
            number: The send number, which the nonce is made of.
            sent: What is sent, as evidence and for reconciliation.
            is_cleared: Whether the shop proved that no send happened that the ledger does not know of.
            money: What it will be, where a limit applies: from now on it counts as spent.
            limits: What the settings say for its shop.

        Raises:
            OverLimit: It must be held.
            OrderBusy: Another refund of the order is in flight.
            Paused: The shop, the lane or the campaign was paused since the claim.
            Cancelled: The campaign was cancelled since the claim.
            ServerChanged: Redis was restarted or replaced since the claim.
            StaleFence: The claim was lost.
        """
        order = f"{claim.entry.shop}:{order_id}"
        text = to_json(sent)
        cents: str | int = "" if money is None else to_cents(money)
        args = (self._now(), claim.key, claim.token, order, number, text, int(is_cleared), cents, limits.text,
                claim.epoch_ms)  # fmt: skip
        if self.waits_for_disk:
            answer = await self._move.on_disk("send", *args)
        else:
            answer = await self._move("send", *args)
        if answer.startswith("over "):
            raise OverLimit.of(answer, asked=money)
        _check(answer)

    async def settle(
        self,
        claim: Claim,
        *,
        result: Mapping[str, Any],
        line: Mapping[str, Any],
        confirm: bool = False,
        money: Decimal | None = None,
    ) -> None:
        """Record the final outcome under the key; it never changes again.

        Args:
            confirm: Whether the memo is read back later.
            money: What was refunded, where a limit applies: counted as spent if nothing was yet.

        Raises:
            StaleFence: The claim was lost; whoever has it now will find the credit memo by its marker.
        """
        head = (self._now(), claim.key, claim.token, to_json(result), to_json(line))
        answer = await self._move("settle", *head, int(confirm), "" if money is None else to_cents(money))
        if answer == "stale fence":
            raise StaleFence

    async def defer(
        self,
        claim: Claim,
        *,
        to: State,
        delay_seconds: float,
        keep_order: bool,
        line: Mapping[str, Any] | None = None,
        **fields: str | int,
    ) -> None:
        """Give the claim back; the job comes again after the delay, counted from now.

        Raises:
            StaleFence: The claim was lost.
        """
        pairs = [part for pair in fields.items() for part in pair]
        keep = "keep" if keep_order else "free"
        delay_ms = int(delay_seconds * 1000)
        head = (self._now(), claim.key, claim.token, to.value, delay_ms, keep, to_json(line) if line else "")
        _check(await self._move("defer", *head, *pairs))

    async def hold(self, claim: Claim, hold: Hold, *, line: Mapping[str, Any]) -> None:
        """Lay the job aside until people approve or decline it: it goes over a limit on money.

        Raises:
            StaleFence: The claim was lost.
        """
        cents = ["" if one is None else to_cents(one) for one in (hold.limit, hold.spent, hold.asked)]
        _check(await self._move("hold", self._now(), claim.key, claim.token, hold.reason, *cents, to_json(line)))

    async def token_of(self, key: str, worker: str) -> str:
        """Give the token of the claim of a key, if this worker holds it, else ""; the entry itself may be damaged."""
        fence, holder = await cast("Any", self.redis.hmget(f"refunds:entry:{key}", ["fence", "holder"]))
        return f"{fence}@{holder}" if holder == worker else ""

    async def release(self, key: str, token: str, *, is_fault: bool = False) -> None:
        """Give a claim back after trouble: queued if nothing was sent, else in doubt.

        Args:
            key: The idempotency key.
            token: The claim's token.
            is_fault: Whether a fault of our own was the cause: the job comes again later each time, and after
                `MAX_FAULTS` it becomes a dead letter `internal_error`.
        """
        await self._move("release", self._now(), key, token, int(is_fault), MAX_FAULTS)

    async def bury(  # noqa: PLR0913 - each is one fact of a dead letter
        self,
        claim: Claim,
        *,
        reason: str,
        verdict: str,
        message: str,
        line: Mapping[str, Any],
        is_spent: bool = False,
    ) -> None:
        """Make the job a dead letter: it will not succeed by itself.

        Args:
            verdict: `not_sent`, `refused` or `unknown`: whether money may have moved.
            is_spent: Whether the shop has used up this send number, so that a replay takes the next one.

        Raises:
            ServerChanged: Redis was restarted or replaced since the claim, so nobody knows that it was not sent.
            StaleFence: The claim was lost.
        """
        words = (reason, verdict, message, to_json(line), int(is_spent), claim.epoch_ms)
        _check(await self._move("bury", self._now(), claim.key, claim.token, *words))

    async def withdraw(self, claim: Claim, *, line: Mapping[str, Any]) -> None:
        """End a job whose campaign was cancelled; only when it is proven that nothing of it reached the shop.

        Raises:
            ServerChanged: Redis was restarted or replaced since the claim, so that nothing is proven any more.
            StaleFence: The claim was lost.
        """
        _check(await self._move("withdraw", self._now(), claim.key, claim.token, to_json(line), claim.epoch_ms))

    # --- doors and people -------------------------------------------------------------------------------------

    async def bury_invalid(self, *, key: str, raw_base64: str, reason: str, reasons: str, door: str) -> str:
        """Keep a document that was not accepted as a dead letter; gives its id in the stream."""
        return str(await self._move("bury_invalid", self._now(), key, raw_base64, reason, reasons, door))

    async def counts(self) -> dict[str, int]:
        """Give the counters: accepted, and one per state. `accepted` is the sum of the states, exactly."""
        raw = await self.redis.hgetall("refunds:counts")
        return {name: int(raw.get(name, 0)) for name in ("accepted", *(state.value for state in State))}

    # --- upkeep -----------------------------------------------------------------------------------------------

    async def beat(self, worker: str) -> int:
        """Renew the lease of all that a worker holds; gives the server's time in ms."""
        return int(await self._move("beat", self._now(), worker))

    async def adopt(self, *, at_most: int = 500) -> list[tuple[str, str, str, int]]:
        """Take over what dead workers held; gives (key, state found, worker, ms since its last beat)."""
        adopted = await self._move("adopt", self._now(), self._lease_ms, at_most, POISON_DEATHS, STRAY_DEATHS)
        return [(key, state, worker, int(ms)) for key, state, worker, ms in adopted]

    async def publish(self, *, at_most: int = 100) -> list[tuple[str, int, list[str]]]:
        """Take what is due: gives (lane, message number, keys) of the messages to publish now."""
        messages = await self._move("publish", self._now(), at_most)
        return [(lane, int(number), keys) for lane, number, *keys in messages]

    async def find_lost(self, lane: str, *, up_to: int, at_most: int = 1000) -> list[str]:
        """Make due what was queued in messages numbered up to `up_to`, which can no longer arrive."""
        return list(await self._move("find_lost", self._now(), lane, up_to, at_most))

    # --- dead letters -----------------------------------------------------------------------------------------

    async def reindex(self, stream: str, *, at_most: int = 500, begin: bool = False) -> tuple[bool, int]:
        """Go on building the index of dead letters; gives whether it is whole now, and how many letters were done.

        Args:
            stream: `refunds:dead`, or `refunds:dead:closed`.
            at_most: How many letters in this step; a thousand take about 50 ms, in which Redis does nothing else.
            begin: Whether to begin at the first letter, also where a rebuild is under way.
        """
        state, done = await self._move("reindex", stream, at_most, int(begin))
        return state == "ready", int(done)

    # --- identity ---------------------------------------------------------------------------------------------

    async def note_server(self, run_id: str) -> str:
        """Compare the Redis process with the one the ledger knows: `same`, `changed` or `no ledger`."""
        return str(await self._move("note_server", self._now(), run_id))

    async def learn_durability(self) -> bool:
        """Find out whether `send` must wait for the disk (WAITAOF): where the server has it and does not fsync always.

        Without an append-only file there is nothing to wait for; `refunds doctor` says what to change.
        """
        config = await self.redis.config_get("append*")
        is_lazy = config.get("appendonly") == "yes" and config.get("appendfsync") != "always"
        self.waits_for_disk = is_lazy and await self._move.has_wait()
        return self.waits_for_disk

    async def initialise(self, how: Literal["first", "after_loss", "trust"], *, run_id: str = "") -> str:
        """Make this Redis a ledger, or change how far it is trusted (design section 6)."""
        return str(await self._move("initialise", self._now(), how, secrets.token_hex(8), run_id))

    async def identity(self) -> dict[str, str]:
        """Give the ledger's own record; empty when this Redis holds none."""
        return cast("dict[str, str]", await self.redis.hgetall(LEDGER_KEY))


def _check(answer: str) -> None:
    match answer:
        case "ok" | "dead":
            return
        case "order busy":
            raise OrderBusy
        case "paused":
            raise Paused
        case "cancelled":
            raise Cancelled
        case "server changed":
            raise ServerChanged
        case "stale fence":
            raise StaleFence
        case _:
            raise AssertionError(f"bug: unexpected answer {answer!r}")
