"""Spool: the good lines of a file, between the moment when they were judged and when they are accepted.

So each line is read and judged once, and what is accepted is exactly what was shown and confirmed, whatever happens to
the file meanwhile. It is a file without a name: nothing is left behind, however the process ends.
"""

import marshal
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

#: Bytes that say how long a batch is.
_LENGTH: Final = 8


class Spool:
    """Rows of text, written once and then read, a batch at a time; in Python's own form, as nobody else reads it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool

    def add(self, rows: list[list[str]]) -> None:
        """Add a batch."""
        if rows:
            batch = marshal.dumps(rows)
            self._file.write(len(batch).to_bytes(_LENGTH))
            self._file.write(batch)

    def batches(self) -> Iterator[list[list[str]]]:
        """Give the batches as they were added."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH):
            yield marshal.loads(self._file.read(int.from_bytes(length)))  # noqa: S302 - written by this very process

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw it away."""
        self._file.close()
