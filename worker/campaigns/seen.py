"""Seen: which keys and contents a file had before; in a database on disk, because a million fit no small memory."""

import hashlib
import sqlite3
from collections.abc import Sequence
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
        for table in ("keys", "content"):
            self._db.execute(f"CREATE TABLE {table} (hash BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._db.execute("CREATE TABLE repeated (hash BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def lines_of_keys(self, keys: Sequence[str], lines: Sequence[int]) -> list[int]:
        """Note keys, each with its line; gives of each the line that had it first, which is its own if it is new."""
        return self._first("keys", [_hash(key) for key in keys], lines)

    def occurrences(self, fingerprints: Sequence[str], lines: Sequence[int]) -> list[tuple[int, int]]:
        """Count contents, each with its line; gives of each the how-manieth it is, from 1, and the first line."""
        hashes = [_hash(fingerprint) for fingerprint in fingerprints]
        firsts = self._first("content", hashes, lines)
        return [
            (1 if first == line else self._times(content), first)
            for content, line, first in zip(hashes, lines, firsts, strict=True)
        ]

    def _first(self, table: str, hashes: list[bytes], lines: Sequence[int]) -> list[int]:
        """Note what is new, in one statement; only where something is not, ask for the first lines."""
        before = self._db.total_changes
        pairs = list(zip(hashes, lines, strict=True))
        self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", pairs)  # noqa: S608 - a name of our own
        if self._db.total_changes - before == len(pairs):
            return list(lines)
        of_one = f"SELECT line FROM {table} WHERE hash = ?"  # noqa: S608 - the table is one of ours
        return [int(self._db.execute(of_one, (one,)).fetchone()[0]) for one in hashes]

    def _times(self, content: bytes) -> int:
        row = self._db.execute(
            "INSERT INTO repeated VALUES (?, 2) ON CONFLICT (hash) DO UPDATE SET times = times + 1 RETURNING times",
            (content,),
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
