"""Dead letters as rows of a table or as lines of JSON, for people and programs that do not read Redis. Pure."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from worker.campaigns.rejected import safe_cell
from worker.dead_letters.letter import Letter


class Format(StrEnum):
    """What is written."""

    CSV = "csv"
    JSONL = "jsonl"


def _document(letter: Letter) -> str:
    return json.dumps(letter.job, ensure_ascii=False) if letter.was_a_job else letter.raw_text


#: Columns of the table.
COLUMNS: Final[Mapping[str, Callable[[Letter], object]]] = MappingProxyType({
    "id": lambda one: one.id,
    "at": lambda one: dt.datetime.fromtimestamp(one.at_ms / 1000, tz=dt.UTC).isoformat(timespec="milliseconds"),
    "idempotency_key": lambda one: one.key,
    "reason": lambda one: one.reason,
    "verdict": lambda one: one.verdict,
    "money": lambda one: "" if one.money is None else one.money,
    "message": lambda one: one.message,
    "shop": lambda one: one.shop,
    "campaign": lambda one: one.campaign,
    "service": lambda one: one.service,
    "order_id": lambda one: one.job.get("order_id", ""),
    "order_number": lambda one: one.job.get("order_number", ""),
    "sends": lambda one: one.sends,
    "revision": lambda one: one.revision,
    "closed": lambda one: one.closed.get("how", ""),
    "closed_by": lambda one: one.closed.get("by", ""),
    "closed_why": lambda one: one.closed.get("why", ""),
    "document": _document,
})  # fmt: skip


def head(form: Format) -> str:
    """What stands above the letters: for a spreadsheet a byte order mark, by which Excel knows UTF-8, and names."""
    return "\ufeff" + _line(list(COLUMNS)) if form is Format.CSV else ""


def row(letter: Letter, form: Format) -> str:
    """Write one letter: everything as JSON, or its columns, harmless for a spreadsheet."""
    if form is Format.JSONL:
        return json.dumps(letter.summary(), ensure_ascii=False) + "\n"
    return _line([safe_cell(str(read(letter))) for read in COLUMNS.values()])


def _line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
