"""Occurrences within one file, and the keys that are made of them."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from worker.campaigns.seen import Seen, derived_key
from worker.domain.job import parse_job
from worker.domain.key import fingerprint


def test_contents_and_keys_are_counted_from_their_first_line():
    with Seen() as seen:
        assert seen.occurrences("abaa", range(2, 6)) == [(1, 2), (1, 3), (2, 2), (3, 2)]
        assert seen.lines_of_keys("aba", range(2, 5)) == [2, 3, 2]


@given(batches=st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=6))
def test_it_makes_no_difference_how_lines_are_batched(batches: list[list[str]]):
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    line = 1
    with Seen() as seen:
        for batch in batches:
            lines = range(line, line := line + len(batch))
            expected = []
            for name, number in zip(batch, lines, strict=True):
                counts[name] += 1
                expected.append((counts[name], first.setdefault(name, number)))

            assert seen.occurrences(batch, lines) == expected
            assert seen.lines_of_keys(batch, lines) == [number for _, number in expected]


def test_a_derived_key_is_the_same_for_ever():
    """Another one after an upgrade would refund the lines of a file a second time."""
    assert derived_key("spring", "0" * 32, 1) == "spring:13533d777d40ca38116ebe6f"
    assert derived_key("spring", "0" * 32, 2) == "spring:13533d777d40ca38116ebe6f:2"
    assert derived_key("autumn", "0" * 32, 1) != derived_key("spring", "0" * 32, 1)


def test_so_is_the_fingerprint_that_it_is_made_of():
    job = parse_job(
        {"idempotency_key": "-", "order_id": 7, "items": [{"sku": "a", "qty": "1"}], "expected_total": "2.50"}
    )
    assert fingerprint(job) == "cfe1cb3347c0c257aa486c509c51660d"
