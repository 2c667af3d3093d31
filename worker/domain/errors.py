"""What a failure at the shop means for the next attempt.

RefundError
├─ NotSent          no effect for certain: retry freely, with a growing delay
│  └─ Unreadable    a look-up was answered with something that cannot be used: ask again later
├─ Throttled        told to wait: retry after .retry_after_seconds
├─ Unauthorised     the shop does not let us in: wait for a human, never dead-letter
├─ InDoubt          may have been applied: reconcile before any retry
└─ Refused          will never succeed: dead letter
"""


class RefundError(Exception):
    """A call to the shop that did not bring what was asked.

    Attributes:
        reason: Short snake_case code of ours, for counting and filtering.
        message: What happened in words: the shop's, or those of the transport. Never holds a secret.
    """

    def __init__(self, message: str = "", *, reason: str) -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message


class NotSent(RefundError):
    """Nothing can have been applied: the call never left us, or it was only a look-up."""


class Unreadable(NotSent):
    """A look-up was answered with a page, half a document, wrong types or another document than the one asked for."""


class Throttled(RefundError):
    """The shop said "not now" before doing anything.

    Attributes:
        retry_after_seconds: How long it asked us to wait, counted from its answer; None when it did not say.
    """

    def __init__(self, message: str = "", *, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class Unauthorised(RefundError):
    """The shop did not accept our credentials or permissions; nothing was done."""


class InDoubt(RefundError):
    """The call may have been applied; only reconciling can tell."""


class Refused(RefundError):
    """The shop said no for good; nothing was applied."""
