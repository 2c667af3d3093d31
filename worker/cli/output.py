"""What commands print: answers on standard output, everything about them on standard error."""

import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table

#: Width of tables that go to a file or a pipe; nothing is cut off there.
_WIDE: Final = 400


def answer(text: str = "") -> None:
    """Print one line of the answer, at once: the next process may wait for it."""
    print(clean(text), flush=True)


def remark(text: str) -> None:
    """Say something about the answer."""
    print("\n".join(map(clean, text.splitlines())), file=sys.stderr, flush=True)


def answer_json(value: object) -> None:
    """Print one JSON document on one line."""
    print(as_json_line(value), flush=True)


def as_json_line(value: object) -> str:
    """Write a JSON document on one line."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def answer_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table."""
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else _WIDE, highlight=False, markup=False, emoji=False)
    table = Table(title=clean(title) or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in _RIGHT or column.isupper() else "left")
    for row in rows:
        table.add_row(*(clean(str(cell)) for cell in row))
    console.print(table)


#: Columns of numbers; those that are named by a currency too.
_RIGHT: Final = frozenset({"line", "money", "count", "took"})


def clean(text: str) -> str:
    """Make text of others harmless for a terminal: whatever is not printable is shown as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
        for character in text.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def moment(at_ms: float) -> str:
    """Write a time in ms since 1970 as people read it, UTC."""
    if not at_ms:
        return ""
    return dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def pretty(value: object) -> str:
    """Write JSON over several lines; amounts keep their digits."""
    return json.dumps(value, indent=2, default=_plain, ensure_ascii=False)


def fields(pairs: Mapping[str, object]) -> None:
    """Print names and values below each other, without those that are empty."""
    shown = {name: value for name, value in pairs.items() if value not in (None, "", [], {}, ())}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        text = value if isinstance(value, str) else json.dumps(value, default=_plain, ensure_ascii=False)
        answer(f"{name:<{width}}  {text}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - what json does not know
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
