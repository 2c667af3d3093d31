"""Read an answer of the shop: which row of the table fits, and so what to do next."""

from collections.abc import Iterable

from worker.domain.answer import AfterAbsence, Answer, AnswerClass, Reading, Shape, entity_id
from worker.domain.answer_row import Row
from worker.domain.answer_table import LOOKUPS, SENDS
from worker.domain.message import render_message
from worker.domain.service import Service

__all__ = ["Answer", "AnswerClass", "Reading", "Row", "read_answer", "read_lookup", "render_message"]


def read_answer(service: Service, answer: Answer, *, online: bool, order_id: int | None = None) -> Reading:
    """Say what an answer to a refund call means.

    Args:
        service: The service that was called.
        answer: Its answer.
        online: True when the call asked the gateway to move money.
        order_id: Entity id of the order; when given, a credit memo of another order is in doubt, not done.

    Returns:
        The reading; what fits no row of the table is in doubt, and so is every unknown answer.
    """
    reading = _read(SENDS, service, answer, online=online)
    if reading.kind is AnswerClass.DONE and _is_of_another_order(answer, order_id):
        return _reading(answer, AnswerClass.IN_DOUBT, "other_order", "200-other-order")
    return reading


def read_lookup(answer: Answer) -> Reading:
    """Say what an answer to a look-up (GET) or sign-in means: found, not there, or try again later."""
    return _read(LOOKUPS, None, answer, online=False)


def _read(table: Iterable[Row], service: Service | None, answer: Answer, *, online: bool) -> Reading:
    row = next((row for row in table if row.fits(answer, service, online=online)), None)
    if row is None:
        return _reading(answer, AnswerClass.IN_DOUBT, "unknown_answer", "no-row")
    return _reading(answer, row.kind, row.reason, row.rule, after_absence="refuse" if online else row.after_absence)


def _reading(
    answer: Answer, kind: AnswerClass, reason: str, rule: str, *, after_absence: AfterAbsence = "refuse"
) -> Reading:
    is_done = kind is AnswerClass.DONE
    return Reading(
        kind=kind,
        reason=reason,
        message="" if is_done else render_message(answer.text if answer.json is None else answer.json),
        rule=rule,
        memo_id=answer.memo_id if is_done else None,
        after_absence=after_absence,
        retry_after_seconds=answer.retry_after_seconds,
    )


def _is_of_another_order(answer: Answer, order_id: int | None) -> bool:
    memo = answer.json
    if order_id is None or Shape.MEMO not in answer.shapes or not isinstance(memo, dict):
        return False
    return "order_id" in memo and entity_id(memo["order_id"]) != order_id
