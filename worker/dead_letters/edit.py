"""Correct the document of a dead letter: `items[0].qty=1` and the like, and which corrections are allowed. Pure."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from worker.dead_letters.letter import Letter
from worker.domain.job import RefundJob

#: Fields whose value is written as JSON: numbers, truth values, lists, objects. All others are text, as amounts are.
_JSON_FIELDS: Final = frozenset({
    *("order_id", "invoice_id", "items", "full", "return_to_stock", "online", "notify", "comment_visible"),
    *("creditmemo", "metadata"),
})  # fmt: skip
_TEXT_INSIDE: Final = frozenset({"sku"})
_STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[(\d{1,4})\]")


class CannotEdit(ValueError):
    """The correction cannot be made; says why."""


def with_changes(document: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Make the corrected document; the one that is given stays as it is.

    Args:
        document: The document as it was sent in.
        changes: Each a path and a value: `items[0].qty=1`, `amount=2.50`; the value `null` takes the field out.

    Raises:
        CannotEdit: A change that cannot be read, or a place that is not there.
    """
    made: dict[str, Any] = copy.deepcopy(dict(document))
    for change in changes:
        path, sign, text = change.partition("=")
        steps = _steps(path.strip())
        if not sign or not steps:
            raise CannotEdit(f"--set {change!r} is not of the form field=value, as items[0].qty=1")
        _put(made, steps, text.strip(), change)
    return made


def _steps(path: str) -> list[str | int]:
    found: list[str | int] = []
    rest = path
    while rest:
        match = _STEP.match(rest)
        if match is None:
            return []
        found.append(match[1] if match[1] is not None else int(match[2]))
        rest = rest[match.end() :].removeprefix(".")
    return found if found and isinstance(found[0], str) else []


def _put(document: dict[str, Any], steps: Sequence[str | int], text: str, change: str) -> None:
    place: Any = document
    for step, following in pairwise(steps):
        if isinstance(place, dict) and isinstance(step, str):
            place = place.setdefault(step, [] if isinstance(following, int) else {})
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        else:
            raise CannotEdit(f"--set {change!r}: there is no {_written(steps)} in the document")
    last = steps[-1]
    is_field = isinstance(place, dict) and isinstance(last, str)
    is_row = isinstance(place, list) and isinstance(last, int) and last <= len(place)
    if not is_field and not is_row:
        raise CannotEdit(f"--set {change!r}: there is no {_written(steps)} in the document")
    before = place.get(last) if is_field else (place[last] if last < len(place) else None)  # type: ignore[operator]  # an index is a number
    value = _value(steps, text, before)
    if value is None and is_field:
        place.pop(last, None)
    elif is_row and last == len(place):
        place.append(value)
    else:
        place[last] = value


def _value(steps: Sequence[str | int], text: str, before: object) -> Any:  # noqa: ANN401 - any JSON value
    if text == "null":
        return None
    is_text = steps[0] not in _JSON_FIELDS or steps[-1] in _TEXT_INSIDE or isinstance(before, str)
    if is_text and not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _written(steps: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def objection(letter: Letter, job: RefundJob) -> str:
    """Say why a letter's job cannot get this document; empty when it can. The ledger looks again when it is written."""
    if not letter.was_a_job:
        return ""
    if job.idempotency_key != letter.key:
        return "the key of a job cannot be changed: it is by its key that the shop is asked what happened"
    if (job.campaign or "") != letter.campaign:
        return "the campaign of a job cannot be changed: its report counts the job"
    if letter.verdict == "unknown":
        return (
            "money may have moved for this job: look at the shop and the gateway first, then say so with "
            "`refunds dead resolve KEY --refunded MEMO` or `--not-refunded`"
        )
    if letter.sends and job.shop != letter.shop:
        return f"it was sent to the shop {letter.shop} before, so the shop cannot be changed any more"
    return ""


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name what differs between two documents, down to the single value: (path, before, after)."""
    return list(_differences("", before, after))


def _differences(path: str, before: Any, after: Any) -> list[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON values
    if before == after:
        return []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = sorted(before.keys() | after.keys())
        parts = [(f"{path}.{name}".removeprefix("."), before.get(name), after.get(name)) for name in names]
    elif isinstance(before, list) and isinstance(after, list):
        both = range(max(len(before), len(after)))
        parts = [(f"{path}[{n}]", _at(before, n), _at(after, n)) for n in both]
    else:
        return [(path, before, after)]
    return [found for part in parts for found in _differences(*part)]


def _at(values: Sequence[Any], place: int) -> Any:  # noqa: ANN401 - a JSON value
    return values[place] if place < len(values) else None
