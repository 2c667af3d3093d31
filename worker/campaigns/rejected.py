"""Rejected: the lines of a campaign file that are no jobs, as a CSV file that is safe to open in a spreadsheet."""

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

COLUMNS: Final = ("line", "key", "reason", "raw")
#: What makes a spreadsheet read a cell as a formula, or break out of it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Make a cell that a spreadsheet shows and does not compute."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class Rejected:
    """Writes `FILE.rejected.csv`: beside it first, and in its place in one step when it is complete.

    Where there is nothing to write, a list of an earlier run is taken away: it would be read as the list of this one.

    Args:
        file: The campaign file.
    """

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(f"{file.name}.rejected.csv")
        self._beside = file.with_name(f"{file.name}.rejected.csv.{os.getpid()}.tmp")
        self._stream = self._beside.open("w", encoding="utf-8", newline="")
        self._writer: Any = csv.writer(self._stream)
        self._writer.writerow(COLUMNS)
        self.count = 0

    def add(self, line: int, key: str, reason: str, raw: str) -> None:
        """Add one line."""
        self.count += 1
        self._writer.writerow((line, *map(safe_cell, (key, reason, raw))))

    def __enter__(self) -> Self:
        """Write beside the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the list in its place; nothing of it where the work failed."""
        self._stream.close()
        if kind is not None:
            self._beside.unlink(missing_ok=True)
        elif self.count:
            self._beside.replace(self.path)
        else:
            self._beside.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
