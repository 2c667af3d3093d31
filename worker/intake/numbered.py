"""Numbered: documents of a file, each with its line, and what they are found to be. Runs in several processes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from config.settings import Settings
from worker.domain.problems import InvalidJob, Problem
from worker.guards.budget import limits_by_shop
from worker.intake.accept import Answer, judge, refused
from worker.ledger.row import Row


class Numbered(NamedTuple):
    """One document and where it stands.

    Attributes:
        line: The line it begins on, counted from 1.
        raw: Its bytes; empty when it is too long to be read.
        size: Its length in bytes.
    """

    line: int
    raw: bytes
    size: int

    def refuse_if_too_long(self, max_bytes: int) -> None:
        """Refuse what was not even read.

        Raises:
            InvalidJob: The document is too long.
        """
        if self.size > max_bytes:
            text = f"the document has {self.size} bytes; at most {max_bytes} are read (REFUNDS_MAX_DOCUMENT_BYTES)"
            raise InvalidJob([Problem("", text)])


class Judged(NamedTuple):
    """Documents that were judged together. Two lists, because pairs would take twice as long from process to process.

    Attributes:
        lines: The line that each begins on.
        found: What each is: a job, or an answer that says why it is none.
    """

    lines: Sequence[int]
    found: Sequence[Row | Answer]

    def parts(self, size: int) -> Iterator[Self]:
        """Give it in parts of at most so many documents."""
        for start in range(0, len(self.lines), size):
            yield type(self)(self.lines[start : start + size], self.found[start : start + size])


def judge_numbered(batch: Sequence[Numbered], settings: Settings) -> Judged:
    """Judge documents, in order."""
    limits = limits_by_shop(settings)
    found: list[Row | Answer] = []
    for numbered in batch:
        try:
            numbered.refuse_if_too_long(settings.max_document_bytes)
        except InvalidJob as error:
            found.append(refused(error))
        else:
            found.append(judge(numbered.raw, settings, limits))
    return Judged([numbered.line for numbered in batch], found)
