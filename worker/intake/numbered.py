"""Numbered: documents of a file, each with its line, and what they are found to be. Runs in several processes."""

from collections.abc import Sequence
from typing import NamedTuple

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
    """A document that is a job, or an answer that says why it is none."""

    line: int
    found: Row | Answer


def judge_numbered(batch: Sequence[Numbered], settings: Settings) -> list[Judged]:
    """Judge documents, in order."""
    limits = limits_by_shop(settings)
    judged: list[Judged] = []
    for numbered in batch:
        try:
            numbered.refuse_if_too_long(settings.max_document_bytes)
        except InvalidJob as error:
            judged.append(Judged(numbered.line, refused(error)))
        else:
            judged.append(Judged(numbered.line, judge(numbered.raw, settings, limits)))
    return judged
