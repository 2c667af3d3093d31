"""Whether letters have a text in Magento's words, their key or their order. Pure.

Most words are alike, so kinds of words are looked at first, and then what is variable in them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from worker.dead_letters.filter import searchable

#: What stands in a kind of words for what is variable: within quotes, digits, everything.
_QUOTED, _DIGITS, _ALL = b"\x01", b"\x02", b"\x03"
_VARIABLE: Final = re.compile(rb"[\x01\x02\x03]")
#: Fields of a line of the column `text` before what is variable: the order's id and its number.
_ORDER_FIELDS: Final = 2


@dataclass(frozen=True)
class TextSearch:
    """A text, and what the kinds of words say about it.

    Attributes:
        text: The text, as it is compared.
        whole: Numbers of the kinds of words that have it, whatever is variable in them.
        spanning: Kinds of words by number that have it if what is variable fits: they are put together again.
    """

    text: bytes
    whole: frozenset[int]
    spanning: Mapping[int, bytes]

    @classmethod
    def of(cls, text: str, templates: Mapping[int, bytes]) -> Self:
        """Compare a text with all kinds of words."""
        wanted = searchable(text).encode()
        whole = frozenset(n for n, one in templates.items() if any(wanted in part for part in _VARIABLE.split(one)))
        spanning = {n: one for n, one in templates.items() if n not in whole and _may_span(wanted, one)}
        return cls(wanted, whole, spanning)

    def rows(self, words: Sequence[int], keys: Sequence[bytes], texts: Sequence[bytes]) -> set[int]:
        """Which rows of a block have it in what is variable, or across that and the words around it."""
        text, spanning = self.text, self.spanning
        return {
            row
            for row, (kind, key, line) in enumerate(zip(words, keys, texts, strict=False))
            if text in line or text in key.lower() or (kind in spanning and text in _words(spanning[kind], line))
        }


def _words(template: bytes, line: bytes) -> bytes:
    """Put Magento's words together again."""
    values = line.split(b"\x1f")[_ORDER_FIELDS:]
    quoted = iter(values)
    digits = iter(values[template.count(_QUOTED) :])
    return _VARIABLE.sub(lambda found: next(digits if found[0] == _DIGITS else quoted, b""), template)


def _may_span(text: bytes, template: bytes) -> bool:
    """Whether a text can begin or end within what is variable and reach into the words beside it."""
    parts = _VARIABLE.split(template)
    kinds = _VARIABLE.findall(template)
    if kinds == [_ALL]:
        return False
    return any(
        (at < len(kinds) and _ends_as_begins(part, text, kinds[at]))
        or (at > 0 and _ends_as_begins(part[::-1], text[::-1], kinds[at - 1]))
        or (0 < at < len(kinds) and part in text)
        for at, part in enumerate(parts)
    )


def _ends_as_begins(part: bytes, text: bytes, kind: bytes) -> bool:
    """Whether words end as the text begins, and what comes then can be of that kind."""
    return any(
        part.endswith(text[:length]) and (kind != _DIGITS or text[length : length + 1].isdigit())
        for length in range(1, len(text))
    )
