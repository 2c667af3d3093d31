"""The packed form of a settled entry: a quarter of its size, and nothing that tells its story is lost. Pure.

What the moves ask for stays as fields: so a settled key is known as settled, and compared with what comes again, as
before. The rest is one text, compressed against a sample (the first packed entry of the same campaign: most of what
jobs of one campaign say is the same), in pieces short enough for Redis to keep the hash compact.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

#: Fields that stay readable for the moves; see lua/pack.lua.
KEPT: Final = ("state", "fingerprint", "campaign", "money", "money_day", "limited")
#: Longest value, in characters, with which Redis keeps a hash in one block (`hash-max-listpack-value`).
_PIECE: Final = 64
#: First character of what is packed. Another form of packing takes another one; this one can then still be read.
_VERSION: Final = "1"
#: How they ended whose one attempt says nothing that the result does not say, but when and how long.
_PLAIN: Final = frozenset({"refunded", "persisted"})
#: Window of 4 kB: a sample and an entry. A larger one costs more time to set up than the compression takes.
_WINDOW: Final = -12
_MEMORY: Final = 5
#: 9 takes twice the time and saves no byte.
_LEVEL: Final = 6
#: Bytes of the checksum.
_CHECK: Final = 3
_LINES: Final = frozenset({"doc", "result", "confirmed", "history"})


def is_packed(fields: Mapping[str, str]) -> bool:
    """Whether the fields of an entry are its packed form."""
    return "0" in fields


def text_of(key: str, fields: Mapping[str, str]) -> str:
    """Give what is packed of an entry, one line each: small fields, document, result, confirmation, history."""
    small = {name: fields[name] for name in sorted(fields) if name not in KEPT and name not in _LINES}
    texts = [fields.get(name, "") for name in ("result", "confirmed")]
    return "\n".join([_json(small), _without_key(fields["doc"], key), *texts, _told(fields.get("history", ""))])


def pack(text: str, sample: str) -> list[str]:
    """Compress a text against a sample, in pieces."""
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, sample.encode())
    raw = text.encode()
    data = _check(raw) + squeeze.compress(raw) + squeeze.flush()
    packed = _VERSION + base64.b64encode(data).decode().rstrip("=")  # base 85 is 6 % shorter and ten times slower
    return [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]


def unpack(key: str, fields: Mapping[str, str], sample: str) -> dict[str, str]:
    """Give the fields of an entry as they were before it was packed.

    Raises:
        ValueError: The entry was packed by a newer version, or against another sample.
    """
    pieces = {name: value for name, value in fields.items() if name.isdecimal()}
    packed = "".join(pieces[str(number)] for number in range(len(pieces)))
    if not packed.startswith(_VERSION):
        raise ValueError(f"the entry of {key!r} was packed by another version")
    data = base64.b64decode(packed[1:] + "==")
    try:
        raw = zlib.decompressobj(_WINDOW, sample.encode()).decompress(data[_CHECK:])
    except zlib.error:
        raw = b""
    if _check(raw) != data[:_CHECK]:
        raise ValueError(f"the entry of {key!r} cannot be unpacked: its sample is lost, or another one")
    small, doc, result, confirmed, *history = raw.decode().split("\n")
    found = {"doc": _with_key(doc, key), "result": result, "confirmed": confirmed, "history": "\n".join(history)}
    kept = {name: value for name, value in fields.items() if name not in pieces}
    return {**json.loads(small), **{name: text for name, text in found.items() if text}, **kept}


def _check(raw: bytes) -> bytes:
    """A checksum: with another sample a text would come out all the same, but not the right one."""
    return zlib.crc32(raw).to_bytes(4)[:_CHECK]


def _without_key(doc: str, key: str) -> str:
    """A document without its key, which is the name of the entry: it then begins with a quote, not with a brace."""
    head = _head(key)
    return doc[len(head) :] if doc.startswith(head + '"') else doc


def _with_key(doc: str, key: str) -> str:
    return doc if doc.startswith("{") else _head(key) + doc


def _head(key: str) -> str:
    return f'{{"idempotency_key":{json.dumps(key)},'


def _told(history: str) -> str:
    """A history as it is kept: of a plain success without the name of the worker, which is gone by now."""
    if "\n" in history or not history:
        return history
    line: dict[str, Any] = json.loads(history)
    if line.get("outcome") not in _PLAIN:
        return history
    return _json({name: value for name, value in line.items() if name != "worker"})


_json: Final[Callable[[Mapping[str, Any]], str]] = json.JSONEncoder(separators=(",", ":")).encode
