"""Delays grow, within their cap."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.backoff import reconcile_seconds, retry_seconds


@pytest.mark.parametrize(("delay", "first", "cap"), [(retry_seconds, 0.5, 30.0), (reconcile_seconds, 0.5, 60.0)])
@given(tries=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_delays_never_shrink_and_stay_within_their_cap(
    delay: Callable[..., float], first: float, cap: float, tries: int, jitter: float
):
    now, later = delay(tries, jitter=jitter), delay(tries + 1, jitter=jitter)

    assert first <= now <= later <= cap * 1.25


def test_the_first_delays_are_short_and_double():
    assert [retry_seconds(tries, jitter=0) for tries in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [reconcile_seconds(looks, jitter=0) for looks in (0, 1, 7, 8)] == [0.5, 1, 60, 60]
