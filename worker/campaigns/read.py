"""Read: a campaign file as records, one after the other, however long it is and whatever is in it.

A record is one job: a line of JSONL, or a CSV row, which may go over several lines inside quotes. A quote that is never
closed spoils its own line and no other. Nothing is decoded or judged here, except for the header.
"""

import csv
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from worker.campaigns.columns import Columns, WrongFile, all_fields

DELIMITERS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"
#: Lines that one CSV row may go over; a quote that is open for longer was never meant to be one.
_MOST_LINES: Final = 100
_SKIP_BYTES: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record of the file.

    Attributes:
        line: The line it begins on, counted from 1.
        raw: Its bytes; their beginning only, when it is wrong.
        wrong: Why it cannot be read at all, or "".
    """

    line: int
    raw: bytes
    wrong: str = ""


class Source:
    """An open campaign file.

    Args:
        stream: The file, at its beginning.
        max_bytes: A longer record is not kept in memory.

    Attributes:
        columns: What its cells mean; None for JSONL.
        delimiter: Between its cells.

    Raises:
        WrongFile: It is no campaign file at all.
    """

    def __init__(self, stream: BinaryIO, *, max_bytes: int) -> None:
        self._stream, self._max_bytes = stream, max_bytes
        self._sha = hashlib.sha256()
        self._number = 0
        self._ahead: deque[tuple[int, bytes, int]] = deque()
        self._began = os.fstat(stream.fileno())
        self.columns: Columns | None = None
        self.delimiter = ","
        self._read_header()

    @property
    def size(self) -> int:
        """Its length in bytes when it was opened."""
        return self._began.st_size

    @property
    def sha256(self) -> str:
        """Hash of what was read so far; of the whole file at its end."""
        return self._sha.hexdigest()

    def check_unchanged(self) -> None:
        """Make sure that nobody wrote to the file while it was read.

        Raises:
            WrongFile: It changed.
        """
        now = os.fstat(self._stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._began.st_size, self._began.st_mtime_ns):
            raise WrongFile("it was changed while it was read; nothing was accepted. Start again when it is complete")

    def records(self) -> Iterator[Record]:
        """Give record after record; blank lines are passed over."""
        while (line := self._next()) is not None:
            number, raw, size = line
            if size > self._max_bytes:
                yield Record(
                    line=number, raw=raw, wrong=f"the line has {size} bytes; at most {self._max_bytes} are read"
                )
            elif not raw.strip():
                continue
            elif self.columns is None or b'"' not in raw or raw.count(b'"') % 2 == 0:
                yield Record(line=number, raw=raw)
            else:
                yield self._joined(number, raw)

    def _joined(self, number: int, first: bytes) -> Record:
        """Put a row together whose quotes are still open at the end of its line."""
        if not self._is_open(first):
            return Record(line=number, raw=first)
        lines, size = [(number, first, len(first))], len(first)
        while len(lines) < _MOST_LINES and size <= self._max_bytes and (line := self._next()) is not None:
            lines.append(line)
            size += line[2] + 1
            if b'"' not in line[1] or size > self._max_bytes:
                continue
            row = b"\n".join(raw for _, raw, _ in lines)
            if self._is_whole(row):
                return Record(line=number, raw=row)
            if not self._is_open(row):
                break  # text behind a closing quote: the quote of the first line was a stray one
        self._ahead.extendleft(reversed(lines[1:]))
        return Record(line=number, raw=first, wrong="a quoted cell of this line is never closed")

    def _is_open(self, row: bytes) -> bool:
        return "unexpected end" in self._objection(row)

    def _is_whole(self, row: bytes) -> bool:
        return not self._objection(row)

    def _objection(self, row: bytes) -> str:
        try:
            cells_of(row.decode("utf-8", "replace"), self.delimiter)
        except csv.Error as error:
            return str(error)
        return ""

    # --- lines ----------------------------------------------------------------------------------------------------

    def _next(self) -> tuple[int, bytes, int] | None:
        """The next line without its end: number, bytes (only the beginning when it is too long), length."""
        if self._ahead:
            return self._ahead.popleft()
        raw = self._readline(self._max_bytes + 2)
        if not raw:
            return None
        self._number += 1
        text = raw.rstrip(b"\r\n")
        size = len(text)
        if size > self._max_bytes:
            while not raw.endswith(b"\n") and (raw := self._readline(_SKIP_BYTES)):
                size += len(raw.rstrip(b"\r\n"))
            text = text[:1000]
        return self._number, text, size

    def _readline(self, most: int) -> bytes:
        raw = self._stream.readline(most)
        self._sha.update(raw)
        return raw

    # --- header ---------------------------------------------------------------------------------------------------

    def _read_header(self) -> None:
        line = self._next()
        if line is not None:
            _refuse_other_encodings(line[1])
            line = (line[0], line[1].removeprefix(_BOM), line[2])
        while line is not None and line[2] <= self._max_bytes and not line[1].strip():
            line = self._next()
        if line is None:
            raise WrongFile("it is empty")
        head = line[1].lstrip()
        if head.startswith(b"{"):
            self._ahead.appendleft(line)
            return
        if head.startswith(b"["):
            raise WrongFile("it is a JSON list: write one job document a line (JSONL), or CSV")
        if line[2] > self._max_bytes:
            raise WrongFile(f"its first line has {line[2]} bytes and is no header")
        self._read_csv_header(line[1])

    def _read_csv_header(self, raw: bytes) -> None:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise WrongFile(f"its header is not UTF-8 (byte {error.start}); save it as CSV UTF-8") from None
        if text.lower().startswith("sep=") and len(text.strip()) == len("sep=;"):  # a line of Excel's own
            following = self._next()
            text = following[1].decode("utf-8", "replace") if following else ""
        if "\r" in text or "\x00" in text:
            raise WrongFile("its header holds control characters; save it as CSV with the line ends of Windows or Unix")
        self.delimiter = delimiter_of(text)
        try:
            self.columns = Columns.of(cells_of(text, self.delimiter))
        except csv.Error as error:
            raise WrongFile(f"its first line is no CSV ({error}); is a quote never closed?") from None


def cells_of(row: str, delimiter: str) -> list[str]:
    """Split a row; quotes are obeyed.

    Raises:
        csv.Error: It is no CSV.
    """
    return next(csv.reader([row] if "\n" not in row else row.splitlines(keepends=True), delimiter=delimiter,
                           strict=True), [])  # fmt: skip


def delimiter_of(header: str) -> str:
    """Tell what stands between cells: what makes most names of fields of the header, or else most cells."""
    fields = set(all_fields())

    def worth(delimiter: str) -> tuple[int, int]:
        cells = header.split(delimiter)
        return sum(cell.strip().strip('"') in fields for cell in cells), len(cells)

    return max(DELIMITERS, key=worth)


def _refuse_other_encodings(raw: bytes) -> None:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise WrongFile("it is UTF-16: save it as CSV UTF-8")
    if raw.startswith(b"PK\x03\x04"):
        raise WrongFile("it is a spreadsheet (or another ZIP file): save it as CSV UTF-8")
    if raw.startswith(b"\x1f\x8b"):
        raise WrongFile("it is compressed: unpack it first")
