"""In which order dead letters are listed, and where a page begins in it. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from worker.dead_letters.index import UNKNOWN, id_number
from worker.dead_letters.letter import Letter


class Sort(StrEnum):
    """In which order letters are listed."""

    AT = "at"
    AMOUNT = "amount"
    KEY = "key"


class BadCursor(ValueError):
    """What was given as the place to go on from is none of this order."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of letters, and where a page begins in it.

    Attributes:
        by: Time of death, amount (unknown ones are the smallest), or key.
        is_reverse: Newest, largest, or last key first.
        after: Cursor of the last letter that was given before, see `cursor`.
    """

    by: Sort = Sort.AT
    is_reverse: bool = False
    after: str = ""

    def cursor(self, letter: Letter) -> str:
        """Where a page after this letter begins."""
        match self.by:
            case Sort.AT:
                return letter.id
            case Sort.AMOUNT:
                return f"{'' if letter.money is None else letter.money}@{letter.id}"
            case Sort.KEY:
                return f"{letter.key}@{letter.id}"

    def place(self) -> tuple[Any, int] | None:
        """The cursor as (value, number of the id).

        Raises:
            BadCursor: It is none.
        """
        if not self.after:
            return None
        value, _, last = self.after.rpartition("@")
        try:
            number = id_number(last)
            if self.by is Sort.AMOUNT:
                return (int(Decimal(value) * 100) if value else UNKNOWN), number
        except (ValueError, ArithmeticError):
            raise BadCursor(f"{self.after!r} is no place in this order") from None
        return (_comparable(value), number) if self.by is Sort.KEY else (number, number)

    def value(self, letter: Letter) -> Any:  # noqa: ANN401 - a number or bytes
        """What decides where a letter stands."""
        match self.by:
            case Sort.AT:
                return id_number(letter.id)
            case Sort.AMOUNT:
                return UNKNOWN if letter.money is None else int(letter.money * 100)
            case Sort.KEY:
                return _comparable(letter.key)


def _comparable(key: str) -> bytes:
    """A key as the index keeps it: control characters, which only refused documents have, are spaces."""
    return "".join(" " if character < " " or character == "\x7f" else character for character in key).encode()
