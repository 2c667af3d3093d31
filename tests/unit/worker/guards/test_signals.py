"""What each error and answer says about the shop as a whole."""

import pytest

from worker.domain.errors import InDoubt, NotSent, RefundError, Refused, Throttled, Unauthorised
from worker.guards.heard import Heard
from worker.guards.signals import GOOD, Kind, Signal, of_error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotSent(reason="connection_refused"), Kind.FAILED),
        (InDoubt(reason="timeout"), Kind.FAILED),
        (Throttled(reason="rate_limited"), Kind.FAILED),
        (Throttled(reason="rate_limited", retry_after_seconds=1), Kind.FAILED),
        (Throttled(reason="rate_limited", retry_after_seconds=60), Kind.TRIPPED),
        (Throttled(reason="maintenance"), Kind.TRIPPED),
        (Throttled(reason="shop_misconfigured"), Kind.TRIPPED),
        (Unauthorised(reason="bad_credentials"), Kind.TRIPPED),
        (Refused(reason="not_found"), Kind.GOOD),
        (NotSent(reason="too_late"), None),
    ],
    ids=lambda value: f"{value} {getattr(value, 'retry_after_seconds', '')}",
)
def test_an_error_says_how_the_shop_is(error: RefundError, kind: Kind | None):
    signal = of_error(error)
    assert (signal.kind if signal else None) == kind


def test_only_bad_credentials_need_people():
    signals = [of_error(error) for error in (Unauthorised(reason="forbidden"), Throttled(reason="maintenance"))]
    assert [signal.needs_people for signal in signals if signal] == [True, False]


def test_failures_before_the_last_good_answer_are_not_in_a_row():
    heard = Heard()
    for signal in [*[Signal(kind=Kind.FAILED, reason="dns")] * 4, GOOD, Signal(kind=Kind.FAILED, reason="timeout")]:
        heard.note(signal)
    assert (heard.good, heard.fails, heard.bad, heard.is_urgent) == (1, 1, 1, False)


def test_what_was_not_told_yet_is_told_with_the_next_news():
    earlier, later = Heard(good=2, fails=3, reason="dns"), Heard(fails=2, reason="timeout", retry_seconds=9)
    earlier.add(later)
    assert (earlier.good, earlier.fails, earlier.reason, earlier.retry_seconds) == (2, 5, "timeout", 9)
    earlier.add(Heard(good=1))
    assert earlier.fails == 0
