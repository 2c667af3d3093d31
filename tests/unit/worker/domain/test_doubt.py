"""What happens to a job in doubt whose marker was not found."""
# ruff: noqa: ANN401 - documents and fields of any kind

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.doubt import (
    NONCE_GUARD_SECONDS,
    Doubt,
    GiveUp,
    LookAgain,
    SendNext,
    SendSame,
    after_no_marker,
    send_number,
)
from worker.domain.outcome import Verdict

LONGEST = 120.0


def a_doubt(**changes: Any) -> Doubt:
    """A job of a shop with bearer token, asked for the first time after half a second."""
    fields: dict[str, Any] = {
        "age_seconds": 0.5,
        "longest_request_seconds": LONGEST,
        "nonce_age_seconds": None,
        "is_spent": False,
        "is_online": False,
        "was_sent": True,
        "refuse_if_absent": False,
        "looks": 1,
        "sends": 1,
        "max_sends": 5,
    }
    return Doubt(**{**fields, **changes})


UNKNOWN = GiveUp(Verdict.UNKNOWN, "outcome_unknown")

TABLE: dict[str, tuple[dict[str, Any], object]] = {
    "bearer waits for the longest request": ({}, LookAgain(1)),
    "bearer does not wait past its end": ({"age_seconds": 119.8, "looks": 5}, LookAgain(120 - 119.8 + 0.1)),
    "bearer sends once absence is proven": ({"age_seconds": LONGEST}, SendNext()),
    "an unspent nonce is sent again at once": ({"nonce_age_seconds": 1}, SendSame()),
    "an unspent nonce is sent again, also online": ({"nonce_age_seconds": 1, "is_online": True}, SendSame()),
    "a spent nonce waits": ({"nonce_age_seconds": 1, "is_spent": True}, LookAgain(1)),
    "a spent nonce is followed by the next": (
        {"nonce_age_seconds": LONGEST, "is_spent": True, "age_seconds": LONGEST},
        SendNext(),
    ),
    "an old nonce guards no more": ({"nonce_age_seconds": NONCE_GUARD_SECONDS}, LookAgain(1)),
    "online and unproven is unknown": ({"age_seconds": LONGEST, "is_online": True}, UNKNOWN),
    "online, spent and unproven is unknown": (
        {"age_seconds": LONGEST, "is_online": True, "nonce_age_seconds": LONGEST, "is_spent": True},
        UNKNOWN,
    ),
    "online waits first": ({"is_online": True}, LookAgain(1)),
    "online is unknown even after the last attempt": (
        {"age_seconds": LONGEST, "is_online": True, "sends": 5},
        UNKNOWN,
    ),
    "a refusal is one once the memo is absent": (
        {"age_seconds": LONGEST, "refuse_if_absent": True},
        GiveUp(Verdict.REFUSED),
    ),
    "a refusal waits first": ({"refuse_if_absent": True}, LookAgain(1)),
    "the last attempt was the last": (
        {"age_seconds": LONGEST, "sends": 5},
        GiveUp(Verdict.NOT_SENT, "attempts_exhausted"),
    ),
    "the last attempt waits first": ({"sends": 5, "nonce_age_seconds": 1}, LookAgain(1)),
    "a send that was only possible is followed by one": ({"age_seconds": LONGEST, "was_sent": False}, SendNext()),
    "a send that was only possible waits first": ({"was_sent": False}, LookAgain(1)),
}

DOUBTS = st.builds(
    Doubt,
    age_seconds=st.floats(-10, 10_000),
    longest_request_seconds=st.floats(1, 300),
    nonce_age_seconds=st.none() | st.floats(0, 10_000),
    is_spent=st.booleans(),
    is_online=st.booleans(),
    was_sent=st.booleans(),
    refuse_if_absent=st.booleans(),
    looks=st.integers(0, 30),
    sends=st.integers(0, 10),
    max_sends=st.integers(1, 10),
)


@pytest.mark.parametrize(("changes", "expected"), TABLE.values(), ids=list(TABLE))
def test_each_doubt_has_its_next_step(changes: dict[str, Any], expected: object):
    assert after_no_marker(a_doubt(**changes), jitter=0) == expected


@given(doubt=DOUBTS, jitter=st.floats(0, 1))
def test_the_next_number_is_only_sent_after_the_longest_request(doubt: Doubt, jitter: float):
    if isinstance(after_no_marker(doubt, jitter=jitter), SendNext | GiveUp):
        assert doubt.age_seconds >= doubt.longest_request_seconds


@given(doubt=DOUBTS, jitter=st.floats(0, 1))
def test_the_same_number_is_only_sent_where_the_shop_refuses_its_copy(doubt: Doubt, jitter: float):
    if isinstance(after_no_marker(doubt, jitter=jitter), SendSame):
        assert doubt.nonce_age_seconds is not None
        assert doubt.nonce_age_seconds < NONCE_GUARD_SECONDS
        assert not doubt.is_spent


@given(doubt=DOUBTS, jitter=st.floats(0, 1))
def test_an_online_send_that_cannot_be_proven_is_never_repeated_and_never_called_failed(doubt: Doubt, jitter: float):
    decision = after_no_marker(doubt, jitter=jitter)

    if doubt.is_online and doubt.was_sent:
        assert isinstance(decision, SendSame | LookAgain) or decision == UNKNOWN


@given(doubt=DOUBTS, jitter=st.floats(0, 1))
def test_whoever_waits_waits_a_little_and_not_forever(doubt: Doubt, jitter: float):
    decision = after_no_marker(doubt, jitter=jitter)

    if isinstance(decision, LookAgain):
        assert 0 < decision.delay_seconds <= 75.1


@pytest.mark.parametrize(
    ("sends", "is_spent", "number"), [(0, False, 1), (1, False, 1), (1, True, 2), (4, False, 4), (4, True, 5)]
)
def test_a_number_is_used_again_until_the_shop_has_used_it_up(sends: int, is_spent: bool, number: int):  # noqa: FBT001
    assert send_number(sends=sends, is_spent=is_spent) == number
