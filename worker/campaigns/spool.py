"""Spool: the good lines of a file, between the moment when they were judged and when they are accepted.

So each line is read and judged once, and what is accepted is exactly what was shown and confirmed, whatever happens to
the file meanwhile. It is a file without a name: nothing is left behind, however the process ends.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self


class Spool:
    """Rows of text, written once and then read, a batch at a time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the spool

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a batch."""
        if rows:
            self._file.write(json.dumps(rows, separators=(",", ":"), ensure_ascii=False))
            self._file.write("\n")

    def batches(self) -> Iterator[list[list[str]]]:
        """Give the batches as they were added."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw it away."""
        self._file.close()
