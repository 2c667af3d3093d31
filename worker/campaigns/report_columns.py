"""The columns of a report: what each is called, and how a row gives it to a spreadsheet, JSON and the page. Pure."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from worker.campaigns.rejected import safe_cell
from worker.campaigns.report_row import Ending, Row

Kind = Literal["text", "money", "count", "time"]
Value = str | int | Decimal | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: In CSV and JSON.
        title: In the page.
        of: Reads it from a row; None and empty text mean that there is nothing. Times are ms since 1970.
        kind: How it is shown and sorted.
        is_coded: Whether few different texts fill it, so that the page keeps each once.
        in_table: Whether the page's table shows it; all others are in a row's details.
    """

    name: str
    title: str
    of: Callable[[Row], Value]
    kind: Kind = "text"
    is_coded: bool = False
    in_table: bool = False


COLUMNS: Final = (
    Column(name="key", title="Job", of=lambda row: row.key, in_table=True),
    Column(name="order", title="Order", of=lambda row: row.order, in_table=True),
    Column(name="shop", title="Shop", of=lambda row: row.shop, is_coded=True),
    Column(name="service", title="Service", of=lambda row: row.service, is_coded=True, in_table=True),
    Column(name="credit_memo", title="Credit memo", of=lambda row: row.memo, in_table=True),
    Column(name="credit_memo_id", title="Credit memo id", of=lambda row: row.memo_id, kind="count"),
    Column(name="ending", title="Outcome", of=lambda row: row.ending.value, is_coded=True, in_table=True),
    Column(name="state", title="State", of=lambda row: row.state.value, is_coded=True),
    Column(name="why", title="Reason code", of=lambda row: row.why, is_coded=True),
    Column(name="verdict", title="Verdict", of=lambda row: row.verdict, is_coded=True),
    Column(name="words", title="Words", of=lambda row: row.words, is_coded=True),
    Column(name="asked", title="Asked", of=lambda row: row.asked, kind="money", in_table=True),
    Column(name="confirmed", title="Confirmed", of=lambda row: row.confirmed, kind="money", in_table=True),
    Column(name="currency", title="Currency", of=lambda row: row.currency, is_coded=True, in_table=True),
    Column(name="mismatch", title="Not as asked", of=lambda row: row.mismatch),
    Column(
        name="customer_amount", title="In the customer's currency", of=lambda row: row.in_order_currency, kind="money"
    ),
    Column(name="customer_currency", title="Customer's currency", of=lambda row: row.order_currency, is_coded=True),
    Column(name="attempts", title="Attempts", of=lambda row: row.attempts, kind="count", in_table=True),
    Column(name="sends", title="Sends", of=lambda row: row.sends, kind="count"),
    Column(name="call_ms", title="Call took (ms)", of=lambda row: row.call_ms, kind="count"),
    Column(name="accepted_at", title="Accepted", of=lambda row: row.accepted_ms, kind="time"),
    Column(name="finished_at", title="Finished", of=lambda row: row.finished_ms, kind="time", in_table=True),
    Column(name="comment", title="Comment", of=lambda row: row.comment),
    Column(name="reason", title="Reason given", of=lambda row: row.reason),
    Column(name="requested_by", title="Requested by", of=lambda row: row.requested_by),
    Column(name="metadata", title="Metadata", of=lambda row: row.metadata),
)

#: The colour of each ending, in the words of the style sheet.
TONES: Final = {
    Ending.REFUNDED: "good",
    Ending.PERSISTED: "calm",
    Ending.CANCELLED: "off",
    Ending.OPEN: "open",
    Ending.NOT_REFUNDED: "bad",
    Ending.UNKNOWN: "bad",
}


def for_spreadsheet(row: Row) -> list[str]:
    """Give the cells of a CSV line: no text of others can begin a formula."""
    return [_cell(column, column.of(row)) for column in COLUMNS]


def for_json(row: Row) -> dict[str, Any]:
    """Give the row as JSON can hold it: amounts as decimal strings, times as ISO 8601 in UTC, null for nothing."""
    return {column.name: _plain(column, column.of(row)) for column in COLUMNS}


def _cell(column: Column, value: Value) -> str:
    if value is None or value == "":
        return ""
    if column.kind == "time":
        return human(int(value))
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return str(value) if isinstance(value, int) else safe_cell(value)


def _plain(column: Column, value: Value) -> str | int | None:
    if value is None or value == "":
        return None
    if column.kind == "time":
        return moment(int(value)) if value else None
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def moment(at_ms: int) -> str:
    """Write a time, given in ms since 1970, as ISO 8601 in UTC, to the second."""
    return dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def human(at_ms: int) -> str:
    """Write the same for people; empty for 0."""
    return moment(at_ms).replace("T", " ").removesuffix("Z") if at_ms else ""


@dataclass
class Coder:
    """Turns rows into short lists for the page; what few different texts fill is a number into `words`."""

    words: dict[str, dict[str, int]] = field(
        default_factory=lambda: {column.name: {} for column in COLUMNS if column.is_coded}
    )

    def encode(self, row: Row) -> list[str | int | None]:
        """Give one row; what is empty at its end is left out."""
        cells = [self._code(column, column.of(row)) for column in COLUMNS]
        while cells and cells[-1] is None:
            cells.pop()
        return cells

    def key(self) -> dict[str, Any]:
        """Give what the page needs to read the rows."""
        columns = [{"name": one.name, "title": one.title, "kind": one.kind, "inTable": one.in_table} for one in COLUMNS]
        tones = {ending.value: tone for ending, tone in TONES.items()}
        return {"columns": columns, "words": {name: list(known) for name, known in self.words.items()}, "tones": tones}

    def _code(self, column: Column, value: Value) -> str | int | None:
        if value is None or value == "":
            return None
        if column.is_coded:
            known = self.words[column.name]
            return known.setdefault(str(value), len(known))
        if column.kind == "time":
            return int(value) // 1000 if value else None
        return f"{value:.2f}" if isinstance(value, Decimal) else value


def key_order() -> Iterator[str]:
    """Give the names of the columns in order: the header of the CSV form."""
    return (column.name for column in COLUMNS)
