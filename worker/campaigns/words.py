"""Amounts in words: digits are misread, and a point in the wrong place is a thousand times the money. English, pure."""

from decimal import Decimal
from typing import Final

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS: Final = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_TEENS, _HUNDRED, _THOUSAND = 20, 100, 1000


def amount_in_words(amount: Decimal) -> str:
    """Write an amount >= 0 as on a cheque: `1234.56` is "one thousand two hundred thirty-four and 56/100"."""
    cents = int(amount.scaleb(2).to_integral_value())
    whole, rest = divmod(cents, _HUNDRED)
    return f"{number_in_words(whole)} and {rest:02}/100"


def number_in_words(number: int) -> str:
    """Write a whole number from 0 to below 10^18."""
    if number == 0:
        return _ONES[0]
    groups: list[str] = []
    for name in _GROUPS:
        number, group = divmod(number, _THOUSAND)
        if group:
            groups.insert(0, f"{_below_a_thousand(group)} {name}".strip())
    return " ".join(groups)


def _below_a_thousand(number: int) -> str:
    hundreds, rest = divmod(number, _HUNDRED)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= _TEENS:
        tens, ones = divmod(rest, 10)
        words.append(f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens])
    elif rest:
        words.append(_ONES[rest])
    return " ".join(words)
