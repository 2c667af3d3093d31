"""An answer of the shop, its form, and what it can mean."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal

from worker.domain.message import MAX_SCANNED_CHARACTERS, filled

_MAX_ID_DIGITS: Final = 18

#: What to do when an outcome was in doubt and the credit memo is later proven absent.
AfterAbsence = Literal["resend", "refuse"]


class AnswerClass(StrEnum):
    """What an answer means for the next step."""

    #: A credit memo came back. Not yet a proof that it holds what was asked: read it and compare.
    DONE = "done"
    #: Nothing can have happened, for a cause that passes: try again later.
    NOT_SENT = "not_sent"
    #: Turned away before any effect: the whole shop waits, and no attempt is spent.
    THROTTLED = "throttled"
    #: Credentials or permissions: the whole shop waits for a human.
    UNAUTHORISED = "unauthorised"
    #: This send, or an earlier copy of it, has arrived before: reconcile to learn how it ended.
    NONCE_USED = "nonce_used"
    #: Magento said no for good, before any effect or rolled back whole.
    REFUSED = "refused"
    #: May have been applied.
    IN_DOUBT = "in_doubt"


class Shape(StrEnum):
    """The form of a body. An answer can have several."""

    ANY = "any"
    #: JSON: a number above 0, bare or as a string: what the order and invoice services answer.
    MEMO_ID = "memo_id"
    #: JSON: an object with an `entity_id`: what the two credit memo services answer.
    MEMO = "memo"
    #: JSON: an object or a list: what every look-up answers.
    DOCUMENT = "document"
    #: JSON of any kind, said to be JSON by its content type.
    JSON = "json"
    #: Magento's error: a JSON object with a `message`.
    MESSAGE = "message"
    #: An error whose parameters name a permission (`{"resources": ...}`), whatever its language.
    RESOURCES = "resources"
    #: An error whose parameters are one number in a list (the consumer of a used nonce), whatever its language.
    NUMBERED = "numbered"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One complete answer.

    Attributes:
        status: HTTP status.
        content_type: The header as sent, "" when absent.
        text: The whole body; whoever read it has bounded it.
        retry_after_seconds: The header Retry-After as seconds from now, None when absent or unreadable.
    """

    status: int
    content_type: str
    text: str
    retry_after_seconds: float | None = None

    @cached_property
    def json(self) -> object:
        """The body as JSON, numbers with a point as `Decimal`; None when it is not JSON or not said to be."""
        if "json" not in self.content_type.lower():
            return None
        try:
            return _decode(self.text)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def shapes(self) -> frozenset[Shape]:
        """Every form that the body has."""
        return frozenset(_shapes(self.json))

    @cached_property
    def memo_id(self) -> int | None:
        """Entity id of the credit memo that the body names or is, None when it is neither."""
        return entity_id(self.json.get("entity_id") if isinstance(self.json, dict) else self.json)

    @cached_property
    def wordings(self) -> tuple[str, ...]:
        """What a pattern is matched against: the message as sent and filled in, or the beginning of another body."""
        if Shape.MESSAGE in self.shapes and isinstance(self.json, dict):
            raw = str(self.json["message"])[:MAX_SCANNED_CHARACTERS]
            return raw, filled(raw, self.json.get("parameters"))
        return (self.text[:MAX_SCANNED_CHARACTERS],)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an answer means.

    Attributes:
        kind: Its class, which decides the next step.
        reason: Short snake_case code of ours, e.g. `qty_too_large`.
        message: Magento's words with the placeholders filled in, one line, at most 1000 characters.
        rule: Id of the row of the table that decided.
        memo_id: Entity id of the credit memo when `kind` is DONE, else None.
        after_absence: What to do if the outcome is in doubt and the credit memo is later proven absent. For a call that
            asked the gateway to move money it is never `resend`: no credit memo does not mean that no money moved.
        retry_after_seconds: How long the shop asked us to wait, None when it did not say.
    """

    kind: AnswerClass
    reason: str
    message: str
    rule: str
    memo_id: int | None
    after_absence: AfterAbsence
    retry_after_seconds: float | None


def entity_id(value: object) -> int | None:
    """Read an id above 0 that may come as a number or as a string of digits; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]*", value, re.ASCII) and len(value) <= _MAX_ID_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _shapes(body: object) -> Iterator[Shape]:
    yield Shape.ANY
    if body is not None:
        yield Shape.JSON
    if isinstance(body, dict | list):
        yield Shape.DOCUMENT
    if not isinstance(body, dict):
        if entity_id(body):
            yield Shape.MEMO_ID
        return
    if entity_id(body.get("entity_id")):
        yield Shape.MEMO
    if isinstance(body.get("message"), str):
        yield Shape.MESSAGE
        parameters = body.get("parameters")
        if isinstance(parameters, dict) and "resources" in parameters:
            yield Shape.RESOURCES
        if isinstance(parameters, list) and len(parameters) == 1 and str(parameters[0]).isdecimal():
            yield Shape.NUMBERED


def _refuse_constant(name: str) -> object:
    raise ValueError(f"not JSON: {name}")


#: Made once: `json.loads` with these options would make one for each answer.
_decode: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant).decode
