"""Seen: which keys and contents a file had before; in a database on disk, because a million fit no small memory."""

import hashlib
import sqlite3
from types import TracebackType
from typing import Final, Self

#: Bytes of a hash that tell contents apart: 128 bits.
_HASH_BYTES: Final = 16


class Seen:
    """Counts occurrences within one file. The database is private, and gone with the process, however that ends."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "": on disk, and deleted when it is closed
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -8000")  # 8 MB
        self._db.execute("CREATE TABLE content (hash BLOB PRIMARY KEY, line INTEGER, times INTEGER) WITHOUT ROWID")
        self._db.execute("CREATE TABLE keys (hash BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def occurrence(self, fingerprint: str, line: int) -> tuple[int, int]:
        """Count a content; gives the how-manieth it is, from 1, and the line of the first."""
        row = self._db.execute(
            "INSERT INTO content VALUES (?, ?, 1) ON CONFLICT (hash) DO UPDATE SET times = times + 1 "
            "RETURNING times, line",
            (_hash(fingerprint), line),
        ).fetchone()
        return int(row[0]), int(row[1])

    def line_of_key(self, key: str, line: int) -> int:
        """Note a key; gives the line that had it first, which is this one if it is new."""
        row = self._db.execute(
            "INSERT INTO keys VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET line = line RETURNING line",
            (_hash(key), line),
        ).fetchone()
        return int(row[0])

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw it away."""
        self._db.close()


def derived_key(campaign: str, fingerprint: str, occurrence: int) -> str:
    """Make the key of a line that gives none: the same for the same content of the same campaign, each time it is read.

    The fingerprint holds the shop, and every field that is part of the refund; the order of lines and columns, and
    whether it is CSV or JSONL, change nothing.
    """
    digest = hashlib.sha256(f"{campaign}\n{fingerprint}".encode()).hexdigest()[:24]
    return f"{campaign}:{digest}" if occurrence == 1 else f"{campaign}:{digest}:{occurrence}"


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:_HASH_BYTES]
