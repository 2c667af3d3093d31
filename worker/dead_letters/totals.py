"""How many letters, and what money they ask for: summed and grouped. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Final

from worker.dead_letters.filter import NONE
from worker.dead_letters.index import Cell
from worker.dead_letters.letter import Letter

_EPOCH: Final = dt.date(1970, 1, 1)


class Group(StrEnum):
    """What letters can be grouped by."""

    REASON = "reason"
    SHOP = "shop"
    CAMPAIGN = "campaign"
    DAY = "day"
    VERDICT = "verdict"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What letters add up to.

    Attributes:
        letters: How many there are.
        known: How many of them say what they ask for; of the others only the shop knows.
        cents: What those ask for together, in cents of the base currency.
    """

    letters: int = 0
    known: int = 0
    cents: int = 0

    @property
    def money(self) -> Decimal:
        """What is asked for by those that say it."""
        return Decimal(self.cents).scaleb(-2)

    @property
    def unknown(self) -> int:
        """How many do not say it."""
        return self.letters - self.known


def of_letter(letter: Letter) -> Totals:
    """What one letter adds."""
    money = letter.money
    return Totals(letters=1, known=int(money is not None), cents=int((money or 0) * 100))


def value_of(one: Cell | Letter, by: Group) -> str:
    """In which group a cell or letter is; `-` is none."""
    if by is Group.DAY:
        return _date(int(one.day) if isinstance(one, Cell) else one.at_ms // 86_400_000)
    return str(getattr(one, by.value)) or NONE


def grouped(parts: Iterable[tuple[str, str, Totals | Cell]]) -> dict[tuple[str, str], Totals]:
    """Add up (group, shop, totals). Shops stay apart, because each has its own base currency."""
    sums: dict[tuple[str, str], list[int]] = {}
    for value, shop, more in parts:
        found = sums.setdefault((value, shop), [0, 0, 0])
        found[0] += more.letters
        found[1] += more.known
        found[2] += more.cents
    return {
        group: Totals(letters=count, known=known, cents=cents) for group, (count, known, cents) in sorted(sums.items())
    }


def added(sums: Iterable[Totals]) -> Totals:
    """All together; of several shops, only the number of letters means something."""
    letters = known = cents = 0
    for one in sums:
        letters, known, cents = letters + one.letters, known + one.known, cents + one.cents
    return Totals(letters=letters, known=known, cents=cents)


@cache
def _date(days: int) -> str:
    return (_EPOCH + dt.timedelta(days=days)).isoformat()
