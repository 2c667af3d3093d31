"""Amounts of money: decimal strings in, `Decimal` inside, two decimals, never a float."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

#: Magento stores decimal(20,4); twelve digits before the point is more than any order holds.
AMOUNT_PATTERN: Final = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$"
_AMOUNT: Final = re.compile(AMOUNT_PATTERN)
_QUANTITY: Final = re.compile(r"^(0|[1-9][0-9]{0,7})(\.[0-9]{1,4})?$")
CENT: Final = Decimal("0.01")
#: Amounts and quantities that were read and are kept: those of a campaign are mostly the same few.
_REMEMBERED: Final = 1024


def parse_amount(value: object) -> Decimal:
    """Read an amount of the job document.

    Args:
        value: A decimal string >= 0 with at most 2 decimals, in base currency.

    Raises:
        ValueError: Says what is wrong in words that a merchant understands.
    """
    if not isinstance(value, str):
        raise ValueError(f'must be a decimal string such as "12.50", not {_json_kind(value)}')
    return _amount(value)


@lru_cache(_REMEMBERED)
def _amount(text: str) -> Decimal:
    if _AMOUNT.fullmatch(text):
        return Decimal(text).quantize(CENT)
    raise ValueError(_why_not_an_amount(text))


def _why_not_an_amount(text: str) -> str:
    """Name the first thing that is wrong with an amount, without guessing what was meant."""
    if text.startswith("-"):
        return "must not be negative"
    if re.fullmatch(r"[0-9]+\.[0-9]{3,}", text):
        return "has more than 2 decimals; Magento rounds every amount to 2"
    if "," in text:
        return 'must use a point, as in "12.50", and no thousands separator'
    if re.fullmatch(r"[0-9.]+[eE][+-]?[0-9]+", text):
        return 'must be written out, as in "1000.00", not in exponent form'
    if re.fullmatch(r"0[0-9]+(\.[0-9]{1,2})?", text):
        return "must not start with a zero"
    if re.fullmatch(r"[0-9]{13,}(\.[0-9]{1,2})?", text):
        return "is larger than any order (at most 12 digits before the point)"
    return 'must be a decimal string such as "12.50" (digits and a point, no currency sign)'


def parse_quantity(value: object) -> Decimal:
    """Read a quantity: a whole JSON number, or a decimal string with at most 4 decimals; more than 0.

    Raises:
        ValueError: Says what is wrong.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('must be a whole number, or a decimal string such as "0.5"')
    return _quantity(str(value))


@lru_cache(_REMEMBERED)
def _quantity(text: str) -> Decimal:
    if not _QUANTITY.fullmatch(text):
        raise ValueError('must be a number such as 2 or "0.5", with at most 4 decimals')
    quantity = Decimal(text)
    if quantity == 0:
        raise ValueError("must be more than 0; leave the line out instead")
    return quantity.normalize() if quantity % 1 else quantity.to_integral_value()


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | Decimal):
        return "a number (numbers lose cents)"
    if value is None:
        return "null"
    return "a list" if isinstance(value, list) else "an object"


def _plain(value: Decimal) -> str:
    return format(value, "f")


def cents(value: object) -> Decimal:
    """Read an amount that Magento or a document gave as a JSON number, to 2 decimals; absent is 0."""
    if value is None or value == "":
        return Decimal("0.00")
    return Decimal(str(value)).quantize(CENT)


Amount = Annotated[
    Decimal,
    PlainValidator(parse_amount),
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["12.50"]}),
]
Quantity = Annotated[
    Decimal,
    PlainValidator(parse_quantity),
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": _QUANTITY.pattern},
            ],
            "examples": [1, "0.5"],
        },
    ),
]
