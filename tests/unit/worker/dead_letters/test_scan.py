"""The pure parts of a search: classes of amounts, masks of rows, text."""

import re
from array import array

from hypothesis import given
from hypothesis import strategies as st

from worker.dead_letters.filter import searchable
from worker.dead_letters.index import GONE_CLASS, UNKNOWN, UNKNOWN_CLASS, class_of
from worker.dead_letters.masks import Numbers, both, rows_of
from worker.dead_letters.text import TextSearch

AMOUNTS = st.integers(-(10**6), 10**16) | st.integers(-10, 2000)


@given(one=AMOUNTS, other=AMOUNTS)
def test_a_larger_amount_is_never_in_a_lower_class(one: int, other: int):
    assert (class_of(one) <= class_of(other)) or one > other
    assert UNKNOWN_CLASS < class_of(one) < GONE_CLASS


def test_an_unknown_amount_has_a_class_of_its_own():
    assert class_of(UNKNOWN) == UNKNOWN_CLASS


@given(
    column=st.lists(st.integers(0, 800) | st.integers(65_000, 70_000)),
    wanted=st.sets(st.integers(0, 800) | st.integers(65_000, 70_000), max_size=30),
)
def test_a_mask_has_the_rows_whose_number_is_in_the_set(column: list[int], wanted: set[int]):
    mask = Numbers.of(wanted).mask(array("I", column).tobytes())
    assert rows_of(mask) == [row for row, number in enumerate(column) if number in wanted]


@given(one=st.lists(st.booleans()), other=st.lists(st.booleans()))
def test_two_masks_have_in_common_what_both_have(one: list[bool], other: list[bool]):
    assert list(both(bytes(one), bytes(other))) == [int(a and b) for a, b in zip(one, other, strict=False)]


def taken_apart(message: str) -> tuple[bytes, bytes]:
    """Words without what is variable, and that as a line: as `letters.lua` does it, tested there against the stream."""
    quoted, digits = list[str](), list[str]()

    def take(found: re.Match[str], where: list[str], left: str) -> str:
        where.append(found[1])
        return left

    template = re.sub(r'"([^"]*)"', lambda found: take(found, quoted, '"\x01"'), searchable(message))
    template = re.sub(r"([0-9]+)", lambda found: take(found, digits, "\x02"), template)
    return template.encode(), "\x1f".join(["31", "", *quoted, *digits]).encode()


LETTERS = 'ab "1'


@given(
    messages=st.lists(st.text(LETTERS, max_size=12) | st.just('item "b1" has 11 "a"'), min_size=1, max_size=8),
    text=st.text(LETTERS, min_size=1, max_size=5)
    | st.sampled_from(['em "b1', '" has 11 "', 'b1" h', "has 1", '11 "a"']),
)
def test_a_text_is_found_wherever_it_is_in_the_words(messages: list[str], text: str):
    """Whether the kinds of words have it, what is variable, or both together."""
    apart = [taken_apart(message) for message in messages]
    kinds = {template: number for number, template in enumerate(dict.fromkeys(template for template, _ in apart))}
    search = TextSearch.of(text, {number: template for template, number in kinds.items()})
    words = array("I", [kinds[template] for template, _ in apart])
    lines = b"".join(line + b"\n" for _, line in apart)

    found = set(rows_of(search.whole.mask(words.tobytes())))
    if not search.looked_for or any(one in lines for one in search.looked_for):
        found |= search.rows(words, b"k\n" * len(apart), lines)

    assert found == {row for row, message in enumerate(messages) if text in searchable(message) or text in "31"}
