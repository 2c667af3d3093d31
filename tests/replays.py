"""Replaying a dead letter, in tests of what comes of it: as people do it, with its record in the audit trail."""

from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.letter import Letter
from worker.ledger.ledger import Ledger

OPS = Who(by="ops", why="")


async def replay(ledger: Ledger, key: str) -> str:
    """Replay whatever letter a key has; gives what the move answers, also where there is none."""
    known = await ledger.redis.hget("refunds:dead_index", key)
    now = ledger._now()  # noqa: SLF001 - the clock of the test
    acts = LetterActs(ledger.redis, now_ms=int(now) if now else None)
    return (await acts.replay(Letter.read(str(known or "0-0"), {"key": key}), OPS)).answer
