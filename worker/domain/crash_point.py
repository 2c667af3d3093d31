"""Names of the crash points: the moments between claim and settle at which a test may kill the process."""

from enum import StrEnum


class CrashPoint(StrEnum):
    """A moment in an attempt. Each is hit by the chaos tests."""

    AFTER_CLAIM = "after_claim"
    AFTER_LOCK = "after_lock"
    AFTER_SENT = "after_sent"
    AFTER_ANSWER = "after_answer"
    BEFORE_SETTLE = "before_settle"
    AFTER_SETTLE = "after_settle"
    AFTER_RECONCILE = "after_reconcile"
    BEFORE_PUBLISH = "before_publish"
