"""Whether letters have a text in Magento's words, their key or their order. Pure.

Most words are alike, so kinds of words are looked at first, and then what is variable in them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from worker.dead_letters.filter import searchable
from worker.dead_letters.masks import Numbers

#: What stands in a kind of words for what is variable: within quotes, digits, everything.
_QUOTED, _DIGITS, _ALL = b"\x01", b"\x02", b"\x03"
_DIGIT_RUN: Final = re.compile(rb"[0-9]+")
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
        needles: Of which one is in what is variable, where the text spans it; empty where nothing can be said.
    """

    text: bytes
    whole: Numbers
    spanning: Mapping[int, bytes]
    needles: tuple[bytes, ...]

    @classmethod
    def of(cls, text: str, templates: Mapping[int, bytes]) -> Self:
        """Compare a text with all kinds of words."""
        wanted = searchable(text).encode()
        whole = {n for n, one in templates.items() if any(wanted in part for part in _VARIABLE.split(one))}
        spanning = {n: one for n, one in templates.items() if n not in whole and _may_span(wanted, one)}
        needles = [_needles(wanted, template) for template in spanning.values()]
        return cls(wanted, Numbers.of(whole), spanning, tuple(set().union(*needles)) if all(needles) else ())

    @property
    def looked_for(self) -> tuple[bytes, ...]:
        """What the server looks for to find the blocks that are read; empty where all are."""
        if self.spanning and not self.needles:
            return ()
        return tuple({self.text, *self.needles})

    def rows(self, words: Sequence[int], keys: bytes, texts: bytes) -> set[int]:
        """Which rows of a block have it in what is variable, or across that and the words around it.

        Args:
            words: The kind of words of each row.
            keys: The column of keys.
            texts: The column of what is variable.
        """
        found = {row for row, _ in _lines_with(self.text, keys.lower())}
        found |= {row for row, _ in _lines_with(self.text, texts)}
        if self.spanning:
            for needle in self.needles or (b"\n",):
                for row, line in _lines_with(needle, texts):
                    template = self.spanning.get(words[row]) if row < len(words) else None
                    if template is not None and self.text in _words(template, line):
                        found.add(row)
        return found


def _lines_with(text: bytes, column: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a column that have a text, with their number; the search itself runs in C."""
    row, counted, at = 0, 0, column.find(text)
    while at >= 0:
        row += column.count(b"\n", counted, at)
        start, end = column.rfind(b"\n", 0, at) + 1, column.find(b"\n", at)
        yield row, column[start:end]
        counted = end
        at = column.find(text, end + 1)


def _needles(text: bytes, template: bytes) -> set[bytes]:
    """Of which one must be in what is variable, where a text begins or ends there; empty where nothing can be said.

    All digits are variable. Where only names in quotes are, they are entered or left by a quotation mark, and what is
    between two of them, or between one and an end of the text, is in the name or not as a whole.
    """
    runs = _DIGIT_RUN.findall(text)
    if runs and _DIGITS in template:
        return {max(runs, key=len)}
    return set() if b'""' in text else {part for part in text.split(b'"') if part}


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
