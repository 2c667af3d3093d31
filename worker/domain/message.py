"""The words of an error: Magento's message with its placeholders filled in, on one clean line."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

#: Longest message we keep, in characters; a stack trace of a shop in developer mode is much longer.
MAX_MESSAGE_CHARACTERS: Final = 1000
#: How much of a body is looked at, in characters.
MAX_SCANNED_CHARACTERS: Final = 20_000
#: Magento nests `messages`, `error`, a list and an entry; what is deeper is not its own.
_MAX_DEPTH: Final = 5
#: Categories of characters that a terminal or a log could take as a command, or that cannot be written at all.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def render_message(body: object) -> str:
    """Give the words of a body on one line: Magento's message filled in, a page's title, or the text itself.

    Args:
        body: Parsed JSON of Magento's error, or the text of anything else.

    Returns:
        At most 1000 characters, without control characters.
    """
    return _clean("\n".join(_words(body, depth=_MAX_DEPTH)))


def _words(body: object, *, depth: int) -> Iterator[str]:
    if depth < 1:
        return
    if isinstance(body, str):
        title = re.search(r"<title[^>]*>([^<]*)</title", body[:MAX_SCANNED_CHARACTERS], re.IGNORECASE)
        yield title[1] if title else body[: 2 * MAX_MESSAGE_CHARACTERS]
    elif isinstance(body, dict):
        if isinstance(body.get("message"), str):
            yield filled(body["message"][:MAX_SCANNED_CHARACTERS], body.get("parameters"))
        for nested in (body.get("errors"), body.get("messages"), body.get("error")):
            yield from _words(nested, depth=depth - 1)
    elif isinstance(body, list):
        for item in body[:20]:
            yield from _words(item, depth=depth - 1)


def filled(message: str, parameters: object) -> str:
    """Fill `%1` from a list, or `%name` from an object, in one pass: what is filled in is not looked at again."""
    if isinstance(parameters, list):
        parameters = {str(position): value for position, value in enumerate(parameters, start=1)}
    if not isinstance(parameters, Mapping) or not parameters:
        return message
    values = {str(name): "…" if isinstance(value, dict | list) else str(value) for name, value in parameters.items()}
    names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))
    return re.sub(f"%({names})", lambda found: values[found[1]], message)


def _clean(text: str) -> str:
    """Put a text on one line and drop what a terminal or a log could take as a command."""
    spaced = " ".join(text.split())
    visible = "".join(c for c in spaced if unicodedata.category(c) not in _INVISIBLE)
    return visible[:MAX_MESSAGE_CHARACTERS]
