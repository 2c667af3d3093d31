"""Receipts: what `refunds submit` says of each job, for people or as JSONL, and the exit code that follows."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.cli.failure import Exit
from worker.cli.output import as_json_line, clean, remark
from worker.intake.accept import Answer


@dataclass
class Receipts:
    """The receipts of one run, printed as they come.

    Attributes:
        keys: Of jobs that are in the ledger with the content that was submitted; None where nobody waits for them.
        has_failed_jobs: Whether a job that was waited for did not settle.
    """

    as_json: bool
    statuses: Counter[str] = field(default_factory=Counter)
    keys: list[str] | None = None
    has_failed_jobs: bool = False

    @property
    def total(self) -> int:
        """How many were given."""
        return self.statuses.total()

    def add(self, given: Iterable[tuple[int, Answer]]) -> None:
        """Print the receipts of lines that were accepted together, at once."""
        texts: list[str] = []
        for line, one in given:
            self.statuses[one.status] += 1
            if self.keys is not None and one.idempotency_key and one.status in {"accepted", "duplicate"}:
                self.keys.append(one.idempotency_key)
            texts += [_json(line, one)] if self.as_json else map(clean, _words(line, one))
        sys.stdout.writelines(f"{text}\n" for text in texts)
        sys.stdout.flush()

    def finish(self) -> None:
        """Say how it went as a whole."""
        if not self.total:
            remark("the input holds no job")
        elif not self.as_json:
            remark(self.summary())

    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items())) or "no jobs"

    @property
    def exit_code(self) -> Exit:
        """What the shell is told: 2 when nothing of the input was a job, 1 when some of it failed."""
        invalid = self.statuses["invalid"]
        if invalid == self.total:
            return Exit.INVALID
        if invalid or self.statuses["key_conflict"] or self.has_failed_jobs:
            return Exit.SOME_FAILED
        return Exit.DONE


def _json(line: int, given: Answer) -> str:
    return as_json_line({
        "line": line,
        "idempotency_key": given.idempotency_key,
        "status": given.status,
        "state": given.state,
        "problems": [{"field": problem.field, "reason": problem.reason} for problem in given.problems],
    })  # fmt: skip


def _words(line: int, given: Answer) -> Iterator[str]:
    state = f" ({given.state})" if given.state and given.status != "accepted" else ""
    yield f"{line:>6}  {given.status:<12}  {given.idempotency_key or '-'}{state}"
    for problem in given.problems:
        yield f"{'':>6}  {problem}"
