"""How long a doubt lasts, on a virtual clock and with default settings: half a minute for most, 15 minutes at most."""

from itertools import count

import pytest

from config.settings import Settings
from config.shops import ShopSettings
from worker.domain.doubt import Doubt, GiveUp, LookAgain, SendNext, SendSame, after_no_marker
from worker.domain.outcome import Verdict

SHOP = ShopSettings(base_url="https://shop.example", auth="bearer", token="t" * 32)
#: What the handler adds: a call leaves at most so long after it was noted.
DEPARTS_SECONDS = 3 + SHOP.connect_timeout_seconds


def a_doubt_that_never_ends(*, has_nonces: bool, is_online: bool, is_spent: bool) -> tuple[float, GiveUp]:
    """Every send is lost and no credit memo ever comes up: how long until a human is asked, and with what verdict."""
    now, sent_at, first_at, sends, looks = 0.5, 0.0, 0.0, 1, 1
    for _ in count():
        doubt = Doubt(
            age_seconds=now - sent_at,
            longest_request_seconds=SHOP.longest_request_seconds + DEPARTS_SECONDS,
            nonce_age_seconds=now - first_at if has_nonces else None,
            is_spent=is_spent,
            is_online=is_online,
            was_sent=True,
            refuse_if_absent=False,
            looks=looks,
            sends=sends,
            max_sends=Settings().max_attempts,
        )
        match after_no_marker(doubt, jitter=1.0):
            case LookAgain(delay_seconds=delay):
                now, looks = now + delay, looks + 1
            case SendSame():
                sent_at, sends, looks, now = now, sends + 1, 1, now + 0.6
            case SendNext():
                sent_at = first_at = now
                sends, looks, is_spent, now = sends + 1, 1, has_nonces, now + 0.6
            case GiveUp() as end:
                return now, end
    raise AssertionError


@pytest.mark.parametrize("has_nonces", [True, False])
@pytest.mark.parametrize("is_online", [True, False])
@pytest.mark.parametrize("is_spent", [True, False])
def test_every_doubt_is_resolved_or_escalated_within_15_minutes(*, has_nonces: bool, is_online: bool, is_spent: bool):
    seconds, end = a_doubt_that_never_ends(has_nonces=has_nonces, is_online=is_online, is_spent=is_spent)

    assert seconds <= 15 * 60
    assert end.verdict is (Verdict.UNKNOWN if is_online else Verdict.NOT_SENT)


def test_under_oauth_a_lost_call_is_repeated_at_the_first_look():
    doubt = Doubt(
        age_seconds=0.6,
        longest_request_seconds=128,
        nonce_age_seconds=0.6,
        is_spent=False,
        is_online=True,
        was_sent=True,
        refuse_if_absent=False,
        looks=1,
        sends=1,
        max_sends=5,
    )

    assert after_no_marker(doubt, jitter=0.0) == SendSame()
