"""`searchCriteria`: filters as MySQL would apply them, sorting, paging, and the envelope of the answer."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.sandbox.conversion import arguments
from worker.sandbox.errors import masked, refused
from worker.sandbox.schemas import ListOf, ObjectType

Document = dict[str, Any]
#: Gives a column of a row; None is NULL.
Read = Callable[[Any, str], Any]

_FILTER: Final = ObjectType({"field": "string", "value": "string", "condition_type": "string"})
_GROUP: Final = ObjectType({"filters": ListOf(_FILTER)})
_SORT: Final = ObjectType({"field": "string", "direction": "string"})
_CRITERIA: Final = ObjectType(
    {"filter_groups": ListOf(_GROUP), "sort_orders": ListOf(_SORT), "page_size": "int", "current_page": "int"}
)
_BAD_DIRECTION: Final = "The sort order has to be specified as %1 for ascending order or %2 for descending order."


@dataclass(frozen=True)
class Table:
    """What can be searched.

    Attributes:
        columns: Every column that SQL knows; another one is a masked 500.
        read: Reads a column of a row.
        show: Gives the document of a row.
    """

    columns: frozenset[str]
    read: Read
    show: Callable[[Any], Document]


def criteria_of(query: Mapping[str, Any]) -> Document:
    """Read the criteria of a request.

    Raises:
        ShopError: They are missing or of the wrong type.
    """
    found: Document = arguments(query, {"searchCriteria": _CRITERIA}, ("searchCriteria",))["searchCriteria"]
    for sort in found.get("sort_orders") or []:
        if sort.get("direction") is not None:
            sort["direction"] = sort["direction"].upper()
            if sort["direction"] not in {"ASC", "DESC"}:
                raise refused(_BAD_DIRECTION, ["ASC", "DESC"])
    return found


def found_by_key(criteria: Document, key: str) -> list[str] | None:
    """Give the values that an indexed column is limited to by a filter of its own; None when it is not."""
    for group in criteria.get("filter_groups") or []:
        filters = group.get("filters") or []
        if len(filters) == 1 and filters[0].get("field") == key:
            condition, value = filters[0].get("condition_type") or "eq", filters[0].get("value") or ""
            if condition == "eq":
                return [value]
            if condition == "in":
                return list(value.split(","))
    return None


def searched(rows: Iterable[Any], table: Table, criteria: Document) -> Document:
    """Search rows and give Magento's envelope.

    Raises:
        ShopError: A column is unknown.
    """
    groups = [group.get("filters") or [] for group in criteria.get("filter_groups") or []]
    sorts = criteria.get("sort_orders") or []
    if any(entry.get("field") not in table.columns for entry in [*(f for g in groups for f in g), *sorts]):
        raise masked()
    tests = [[_test(entry, table.read) for entry in group] for group in groups if group]
    hits = [row for row in rows if all(any(test(row) for test in group) for group in tests)]
    for sort in reversed(sorts):
        field = sort["field"]
        hits.sort(key=lambda row: _sort_key(table.read(row, field)), reverse=sort.get("direction") != "ASC")
    size, page = criteria.get("page_size") or 0, max(criteria.get("current_page") or 1, 1)
    size = max(size, 1) if size else 0  # 0 is no limit, less than that a page of one
    shown = hits[(page - 1) * size : page * size] if size else hits
    return {"items": [table.show(row) for row in shown], "search_criteria": _echo(criteria), "total_count": len(hits)}


def _echo(criteria: Document) -> Document:
    groups = [
        {
            "filters": [
                {"field": f.get("field"), "value": f.get("value"), "condition_type": f.get("condition_type") or "eq"}
                for f in group.get("filters") or []
            ]
        }
        for group in criteria.get("filter_groups") or []
    ]
    echo: Document = {"filter_groups": groups}
    for key in ("sort_orders", "page_size", "current_page"):
        if criteria.get(key) is not None:
            echo[key] = criteria[key]
    return echo


def _sort_key(value: Any) -> tuple[int, float, str]:  # noqa: ANN401 - any column
    """NULL first, then numbers, then text without regard to case."""
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value).lower())


def _test(entry: Document, read: Read) -> Callable[[Any], bool]:
    """Give the test of one filter; an unknown condition type finds nothing, silently."""
    field, wanted = str(entry.get("field")), str(entry.get("value") or "")
    condition = entry.get("condition_type") or "eq"
    if condition in {"null", "is"}:
        return lambda row: read(row, field) is None
    if condition == "notnull":
        return lambda row: read(row, field) is not None
    match = _matcher(condition, wanted)
    return lambda row: (value := read(row, field)) is not None and match(value)


def _matcher(condition: str, wanted: str) -> Callable[[Any], bool]:
    """Give the test of a value that is not NULL."""
    if condition in {"like", "nlike", "fulltext"}:
        pattern = _like(f"%{wanted}%" if condition == "fulltext" else wanted)
        return lambda value: (pattern.fullmatch(str(value)) is None) == (condition == "nlike")
    if condition in {"in", "nin", "finset", "nfinset"}:
        many = wanted.split(",")
        if condition.endswith("finset"):
            return lambda value: (wanted in str(value).split(",")) == (condition == "finset")
        return lambda value: any(_compare(value, one) == 0 for one in many) == (condition == "in")
    if condition == "regexp":
        expression = re.compile(wanted, re.IGNORECASE)
        return lambda value: expression.search(str(value)) is not None
    allowed = _ORDERINGS.get(condition)
    return lambda value: allowed is not None and _compare(value, wanted) in allowed


_ORDERINGS: Final = {
    "eq": {0}, "seq": {0}, "neq": {-1, 1}, "sneq": {-1, 1}, "gt": {1}, "lt": {-1},
    "gteq": {0, 1}, "moreq": {0, 1}, "from": {0, 1}, "lteq": {-1, 0}, "to": {-1, 0},
}  # fmt: skip


def _like(pattern: str) -> re.Pattern[str]:
    """Turn a LIKE pattern into an expression; a backslash takes the next character as it is."""
    parts, characters = [], iter(pattern)
    for char in characters:
        if char == "\\":
            parts.append(re.escape(next(characters, char)))
        else:
            parts.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _compare(value: Any, wanted: str) -> int:  # noqa: ANN401 - any column
    """Compare as MySQL does: a number with the number that the text begins with, text without regard to case."""
    if isinstance(value, int | float):
        match = re.match(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", wanted)
        other = float(match.group()) if match else 0.0
        return (value > other) - (value < other)
    mine, theirs = str(value).lower().rstrip(), wanted.lower().rstrip()
    return (mine > theirs) - (mine < theirs)
