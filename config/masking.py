"""Takes secrets out of what leaves the process as text: log lines and error reports."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

MASK: Final = "***"

#: Names under which a value is never shown, wherever they stand in a longer name.
_SECRET_NAME: Final = re.compile(
    r"authori[sz]ation|token|password|passwd|secret|oauth|cookie|credential|consumer_?key|api_?key|dsn", re.IGNORECASE
)
#: Secrets inside a text: a password in a URL, a header, and `name=value` or `"name": "value"` with a secret name.
IN_TEXT: Final = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\bOAuth\s+\w+=[^\r\n]*", re.IGNORECASE), f"OAuth {MASK}"),
    (
        re.compile(
            r"""((?:[\w-]*(?:token|password|passwd|secret|oauth_\w+|consumer_?key|api_?key))["']?\s*[=:]\s*["']?)"""
            r"""[^\s"',;&)}\]]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
#: Each pattern above needs one of these. To look for them first is what makes the masking of a log line cheap.
_HINTS: Final = (
    *("://", "bearer", "basic", "auth", "token", "passw", "secret", "consumer", "api"),
    *("cookie", "credential", "authori", "dsn"),
)
#: Deeper than this, something is wrong with the value, and it is not shown.
_MAX_DEPTH: Final = 12


def mask_text(text: str) -> str:
    """Give the text without the secrets that can be recognised in it."""
    if _is_harmless(text):
        return text
    for pattern, replacement in IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def mask(value: object, *, _depth: int = 0) -> object:
    """Give a copy of a value (mappings, lists and tuples included) without secrets."""
    if _depth > _MAX_DEPTH:
        return MASK
    match value:
        case str():
            return mask_text(value)
        case dict() if _is_plain(value):
            return dict(value)
        case bytes():
            return mask_text(value.decode(errors="replace"))
        case Mapping():
            return {
                key: MASK if is_secret_name(str(key)) and item is not None else mask(item, _depth=_depth + 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [mask(item, _depth=_depth + 1) for item in value]
        case _:
            return value


def _is_harmless(text: str) -> bool:
    """Whether no pattern can find anything."""
    small = text.lower()
    # A pattern that ignores case takes some foreign letters for ours; such texts go the long way.
    return text.isascii() and not any(hint in small for hint in _HINTS)


def _is_plain(fields: dict[object, object]) -> bool:
    """Whether a mapping is flat, and neither its names nor its texts hold anything like a secret: nearly every line."""
    texts = [str(name) for name in fields]
    for value in fields.values():
        if isinstance(value, str):
            texts.append(value)
        elif value is not None and not isinstance(value, int | float):
            return False
    return _is_harmless("\n".join(texts))


@lru_cache(maxsize=1024)  # the names of fields are few
def is_secret_name(name: str) -> bool:
    """Tell whether the value of a field of this name must not be shown."""
    return _SECRET_NAME.search(name) is not None
