"""How many letters, and what money they ask for: summed and grouped. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

from worker.dead_letters.filter import NONE
from worker.dead_letters.index import Cell
from worker.dead_letters.letter import Letter

_EPOCH = dt.date(1970, 1, 1)


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
        count: How many letters.
        known: How many of them say what they ask for; of the others only the shop knows.
        cents: What those ask for together, in cents of the base currency.
    """

    count: int = 0
    known: int = 0
    cents: int = 0

    @property
    def money(self) -> Decimal:
        """What is asked for by those that say it."""
        return Decimal(self.cents).scaleb(-2)

    @property
    def unknown(self) -> int:
        """How many do not say it."""
        return self.count - self.known

    def __add__(self, other: Self) -> "Totals":
        """Both together."""
        return Totals(count=self.count + other.count, known=self.known + other.known, cents=self.cents + other.cents)


def of_cell(cell: Cell) -> Totals:
    """What the letters of a cell add up to."""
    return Totals(count=cell.count, known=cell.known, cents=cell.cents)


def of_letter(letter: Letter) -> Totals:
    """What one letter adds."""
    money = letter.money
    return Totals(count=1, known=int(money is not None), cents=int((money or 0) * 100))


def value_of(one: Cell | Letter, by: Group) -> str:
    """In which group a cell or letter is; `-` is none."""
    if by is Group.DAY:
        days = one.day if isinstance(one, Cell) else one.at_ms // 86_400_000
        return (_EPOCH + dt.timedelta(days=days)).isoformat()
    return str(getattr(one, by.value)) or NONE


def grouped(parts: Iterable[tuple[str, str, Totals]]) -> dict[tuple[str, str], Totals]:
    """Add up (group, shop, totals). Shops stay apart, because each has its own base currency."""
    found: dict[tuple[str, str], Totals] = {}
    for value, shop, totals in parts:
        found[value, shop] = found.get((value, shop), Totals()) + totals
    return dict(sorted(found.items()))
