"""Delay before the next attempt, given how often it was tried and why. Seconds; pure, jitter comes from outside."""

from typing import Final

#: Nothing was sent: the shop is away. Doubling from half a second, at most half a minute.
_RETRY_FIRST_SECONDS: Final = 0.5
_RETRY_MAX_SECONDS: Final = 30.0
#: In doubt: look soon, since most memos are there at once, then ever less often.
_RECONCILE_SECONDS: Final = (0.5, 1, 2, 4, 8, 15, 30, 60)


def retry_seconds(tries: int, *, jitter: float) -> float:
    """Delay before a job that surely was not sent comes back.

    Args:
        tries: How often it was deferred so far, counted from 0.
        jitter: A random number in 0..1; spreads jobs over a quarter of the delay.
    """
    delay = min(_RETRY_FIRST_SECONDS * 2 ** min(tries, 16), _RETRY_MAX_SECONDS)
    return float(delay * (1 + 0.25 * jitter))


def reconcile_seconds(looks: int, *, jitter: float) -> float:
    """Delay before Magento is asked again whether an in-doubt job happened.

    Args:
        looks: How often it was asked since the send, counted from 0.
        jitter: A random number in 0..1.
    """
    delay = _RECONCILE_SECONDS[min(looks, len(_RECONCILE_SECONDS) - 1)]
    return delay * (1 + 0.25 * jitter)
