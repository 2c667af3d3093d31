"""What a look-up answered, held against what was asked. A wrong or half answer must never read as "there is none"."""

from collections.abc import Iterable
from typing import Any

from worker.domain.answers import Answer, AnswerClass, read_lookup
from worker.domain.errors import NotSent, Refused, Throttled, Unauthorised, Unreadable
from worker.magento.shape import shaped

#: A JSON object of Magento: an order, an invoice, a credit memo, a comment. Numbers with a point are `Decimal`.
Document = dict[str, Any]


def found(answer: Answer) -> Document:
    """Give the JSON object that a look-up answered.

    Raises:
        Refused: There is no such entity (`not_found`), or the question was wrong.
        Throttled: Ask again later: limit, maintenance, a wrong address.
        Unauthorised: The shop did not let us in.
        NotSent: The shop could not answer.
        Unreadable: A page, half a document, or JSON of another kind.
    """
    reading = read_lookup(answer)
    match reading.kind:
        case AnswerClass.DONE if isinstance(answer.json, dict):
            return answer.json
        case AnswerClass.DONE:
            raise Unreadable("the answer is not an object", reason="unreadable_answer")
        case AnswerClass.REFUSED:
            raise Refused(reading.message, reason=reading.reason)
        case AnswerClass.THROTTLED:
            raise Throttled(reading.message, reason=reading.reason, retry_after_seconds=reading.retry_after_seconds)
        case AnswerClass.UNAUTHORISED:
            raise Unauthorised(reading.message, reason=reading.reason)
        case _ if reading.reason == "unreadable_answer":
            raise Unreadable(reading.message, reason=reading.reason)
        case _:
            raise NotSent(reading.message, reason=reading.reason)


def with_id(document: Document, asked_id: int) -> Document:
    """Give the document if it is the one that was asked for.

    Raises:
        Unreadable: It has another id, or none, or a part of it is not what it must be.
    """
    if id_of(document) != asked_id:
        raise Unreadable(f"asked for {asked_id}, got {document.get('entity_id')!r:.40}", reason="wrong_document")
    return shaped(document)


def id_of(document: Document) -> int:
    """Give the entity id of a document.

    Raises:
        Unreadable: It has none that is a number above 0.
    """
    value = document.get("entity_id")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Unreadable(f"an entity without an id: {value!r:.40}", reason="unreadable_answer")
    return value


def page_of(envelope: Document) -> tuple[list[Document], int]:
    """Give the entities of one page of a search and the number of all that match.

    Raises:
        Unreadable: The envelope is not one: no list, no count, or entities that are no objects.
    """
    items, total = envelope.get("items"), envelope.get("total_count")
    if items is None and total == 0:
        return [], 0
    is_list = isinstance(items, list) and all(isinstance(item, dict) for item in items)
    if not is_list or isinstance(total, bool) or not isinstance(total, int) or total < 0:
        raise Unreadable("not the answer of a search", reason="unreadable_answer")
    return [shaped(item) for item in items or ()], total


def all_of(documents: Iterable[Document], field: str, allowed: Iterable[int]) -> list[Document]:
    """Give the documents if each holds one of the allowed ids in a field.

    Raises:
        Unreadable: One does not: the filter was ignored, or the answer is somebody else's.
    """
    ids, checked = frozenset(allowed), list(documents)
    for document in checked:
        if document.get(field) not in ids:
            raise Unreadable(f"{field} {document.get(field)!r:.40} was not asked for", reason="wrong_document")
    return checked
