"""Which dead letters are meant: a value that people give by options, and that a letter fits or not. Pure."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from worker.dead_letters.letter import Letter

#: How people write "without one": `--campaign -` are the letters of no campaign.
NONE: Final = "-"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UPPER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which letters are meant. What is empty does not matter; several values of one kind: any of them.

    Attributes:
        reasons: Reason codes.
        shops: Names of shops; `-` is none, as with the next two.
        campaigns: Names of campaigns.
        services: The service by which the refund was, or would have been, asked for.
        verdicts: `not_sent`, `refused`, `unknown`.
        since_ms: Died at this time or later, in ms since 1970.
        until_ms: Died before this time.
        min_amount: Asks for at least so much; letters whose amount is not known do not fit.
        max_amount: Asks for at most so much; the same.
        text: Part of Magento's words, of the key, or of the order's id or number; ASCII letters of either case.
        is_closed: Letters that people closed, instead of the open ones.
    """

    reasons: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    text: str = ""
    is_closed: bool = False

    def fits(self, letter: Letter) -> bool:
        """Whether a letter is meant; `is_closed` chooses the list, so it says nothing of a letter."""
        has = {
            "reasons": letter.reason,
            "shops": letter.shop,
            "campaigns": letter.campaign,
            "services": letter.service,
            "verdicts": letter.verdict,
        }
        return (
            all(not getattr(self, name) or (value or NONE) in getattr(self, name) for name, value in has.items())
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
            and self._fits_amount(letter.money)
            and self._fits_text(letter)
        )

    def _fits_amount(self, money: Decimal | None) -> bool:
        if self.min_amount is None and self.max_amount is None:
            return True
        return (
            money is not None
            and (self.min_amount is None or money >= self.min_amount)
            and (self.max_amount is None or money <= self.max_amount)
        )

    def _fits_text(self, letter: Letter) -> bool:
        if not self.text:
            return True
        orders = (str(letter.job.get(name) or "") for name in ("order_id", "order_number"))
        return any(searchable(self.text) in searchable(part) for part in (letter.message, letter.key, *orders))


def searchable(text: str) -> str:
    """Text as it is compared: ASCII letters in lower case, control characters as spaces."""
    return _CONTROL.sub(" ", text).translate(_UPPER)
