"""Arithmetic as Magento's PHP does it: floats, half away from zero, and a carry that runs along.

Credit memos must be reproduced to the cent, and Magento computes them with floats. The rest of the domain uses
`Decimal`; these functions exist only to predict what Magento will say.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

#: Significant digits to which PHP rounds first, before it rounds to places (PHP 8.2, `round()`).
PRE_ROUNDING_DIGITS: Final = 15
#: Only a fraction this near to one half, or a number this large, is changed by rounding to 15 digits first.
_NEAR_HALF: Final = 1e-5
_EXACT_BELOW: Final = 1e9
#: From here on a float has no digits left to round.
_WHOLE_FROM: Final = 1e15
_SYMBOLS: Final = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CNY": "CN¥", "KRW": "₩", "ILS": "₪", "VND": "₫",
    "CAD": "CA$", "AUD": "A$", "NZD": "NZ$", "MXN": "MX$", "BRL": "R$", "HKD": "HK$", "TWD": "NT$", "PHP": "₱",
}  # fmt: skip
_NOT_A_DIGIT: Final = re.compile(r"[^0-9^.,-]")
_LEADING_NUMBER: Final = re.compile(r"-?[0-9]*\.?[0-9]*")


def php_round(value: float, places: int = 2) -> float:
    """Round half away from zero after rounding to 15 significant digits, as PHP's `round()` does.

    Args:
        value: Any finite number.
        places: Decimals to keep.
    """
    factor = 10.0**places
    scaled = abs(value) * factor
    if scaled >= _WHOLE_FROM:
        return value
    if scaled >= _EXACT_BELOW or abs(scaled % 1 - 0.5) < _NEAR_HALF:
        scaled = float(f"{scaled:.{PRE_ROUNDING_DIGITS}g}")
    return math.copysign(math.floor(scaled + 0.5) / factor, value) + 0.0


def php_text(value: float) -> str:
    """Write a number as PHP writes a float in a sentence: 14 digits, no trailing zeros, `1.0E+25`."""
    text = f"{value:.14G}"
    mantissa, mark, exponent = text.partition("E")
    if not mark:
        return "0" if text == "-0" else text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent):+d}"


def price_text(amount: float, currency: str) -> str:
    """Format a price for a message in the en_US locale, such as `$1,234.50`.

    Args:
        amount: In units of the currency.
        currency: ISO code; an unknown one is written out before the number.
    """
    number = f"{abs(php_round(amount)):,.2f}"
    sign = "-" if amount < 0 and float(number.replace(",", "")) else ""
    return f"{sign}{_SYMBOLS.get(currency, currency + chr(160))}{number}"


def adjustment_number(value: float) -> float:
    """Read an adjustment as Magento does: to text, all but digits and separators removed, back to a number.

    A number in exponent form is mangled: `1e-5` becomes `1`.
    """
    text = _NOT_A_DIGIT.sub("", php_text(value))
    match = _LEADING_NUMBER.match(text)
    return float(match.group() or 0) if match and match.group() not in {"", "-", "."} else 0.0


def number(document: Mapping[str, Any], key: str) -> float:
    """Read an amount or quantity of a Magento document; absent and null are 0."""
    return float(document.get(key) or 0)


def base_to_order_rate(order: Mapping[str, Any]) -> float:
    """Give the order's currency rate; an order document without one has a single currency."""
    return number(order, "base_to_order_rate") if "base_to_order_rate" in order else 1.0


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount in the order's currency and in the base currency."""

    order: float = 0.0
    base: float = 0.0

    def __add__(self, other: Self) -> "Amount":
        """Add each currency."""
        return Amount(self.order + other.order, self.base + other.base)

    def __sub__(self, other: Self) -> "Amount":
        """Subtract each currency."""
        return Amount(self.order - other.order, self.base - other.base)

    def __neg__(self) -> "Amount":
        """Change both signs."""
        return Amount(-self.order, -self.base)

    def times(self, factor: float) -> "Amount":
        """Multiply both currencies by the same factor."""
        return Amount(self.order * factor, self.base * factor)

    def capped(self, limit: "Amount") -> "Amount":
        """Give the smaller of this and the limit, each currency on its own."""
        return Amount(min(self.order, limit.order), min(self.base, limit.base))

    @classmethod
    def read(cls, document: Mapping[str, Any], key: str, base_key: str | None = None) -> "Amount":
        """Read `key` and `base_` + key of a document; absent and null are 0."""
        return cls(number(document, key), number(document, base_key or f"base_{key}"))


NOTHING: Final = Amount()


class RunningRounder:
    """Round to 2 decimals and carry what was cut off to the next amount of the same kind.

    Magento keeps one carry per kind for the whole credit memo, over all lines and all collectors.
    """

    def __init__(self) -> None:
        self._carried: dict[str, float] = {}

    def cents(self, value: float, kind: str, *, is_subtracted: bool = False) -> float:
        """Round one value.

        Args:
            value: The exact value; 0 neither uses nor changes the carry.
            kind: Name of the carry.
            is_subtracted: Whether the value will lower the total (a discount): the carry then works the other way.
        """
        if not value:
            return value
        sign = -1.0 if is_subtracted else 1.0
        exact = value + sign * self._carried.get(kind, 0.0)
        rounded = php_round(exact)
        self._carried[kind] = sign * (exact - rounded)
        return rounded

    def amount(
        self, value: Amount, *, is_subtracted: bool = False, kinds: tuple[str, str] = ("regular", "base")
    ) -> Amount:
        """Round both currencies, each with its own carry."""
        return Amount(
            self.cents(value.order, kinds[0], is_subtracted=is_subtracted),
            self.cents(value.base, kinds[1], is_subtracted=is_subtracted),
        )
