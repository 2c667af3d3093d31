"""Amounts in words."""

from decimal import Decimal

import pytest

from worker.campaigns.words import amount_in_words, number_in_words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((0, "zero"), (7, "seven"), (13, "thirteen"), (20, "twenty"), (21, "twenty-one"), (100, "one hundred")),
        *((115, "one hundred fifteen"), (1000, "one thousand"), (1_000_001, "one million one")),
        (987_654, "nine hundred eighty-seven thousand six hundred fifty-four"),
        (12_000_300, "twelve million three hundred"),
    ],
)
def test_numbers(number: int, words: str):
    assert number_in_words(number) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.00", "zero and 00/100"), ("123.05", "one hundred twenty-three and 05/100"), ("0.99", "zero and 99/100")],
)
def test_amounts(amount: str, words: str):
    assert amount_in_words(Decimal(amount)) == words
