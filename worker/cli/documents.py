"""Job documents from a file or standard input: one JSON document, or JSONL, read line by line.

It is one document when its first line alone is no JSON but opens an object or a list, as pretty-printed JSON does;
everything else is read as one document a line. So a million lines never stand in memory.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from worker.cli.failure import Exit, Failure
from worker.intake.numbered import Numbered

_BOM: Final = b"\xef\xbb\xbf"
_SKIP_BYTES: Final = 1 << 16


@contextmanager
def opened_input(name: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`.

    Raises:
        Failure: There is no such file, or it cannot be read.
    """
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror or error}", code=Exit.INVALID) from None
    with stream:
        yield stream


def documents(stream: BinaryIO, *, max_bytes: int) -> Iterator[Numbered]:
    """Give the documents one by one; blank lines are passed over.

    Args:
        stream: JSON or JSONL.
        max_bytes: A longer document is not kept in memory, only counted.
    """
    is_first = True
    for number, raw, size in _lines(stream, max_bytes=max_bytes):
        line = raw.removeprefix(_BOM) if is_first else raw
        if size <= max_bytes and not line.strip():
            continue
        if is_first and size <= max_bytes and _opens_a_document(line):
            rest, rest_size = _rest(stream, max_bytes=max_bytes - size)
            yield Numbered(line=number, raw=line + rest, size=size + rest_size)
            return
        is_first = False
        yield Numbered(line=number, raw=line.strip(b"\r\n"), size=size)


def _lines(stream: BinaryIO, *, max_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    number = 0
    while raw := stream.readline(max_bytes + 2):
        number += 1
        size = len(raw.rstrip(b"\r\n"))
        if size > max_bytes:
            while not raw.endswith(b"\n") and (raw := stream.readline(_SKIP_BYTES)):
                size += len(raw.rstrip(b"\r\n"))
            raw = b""
        yield number, raw, size


def _rest(stream: BinaryIO, *, max_bytes: int) -> tuple[bytes, int]:
    rest = stream.read(max_bytes + 1)
    size = len(rest)
    if size <= max_bytes:
        return rest, size
    while chunk := stream.read(_SKIP_BYTES):
        size += len(chunk)
    return b"", size


def _opens_a_document(line: bytes) -> bool:
    """Tell the first line of a pretty-printed document from a whole one, and from garbage."""
    text = line.strip()
    if not text.startswith((b"{", b"[")) or text.endswith((b"}", b"]")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False
