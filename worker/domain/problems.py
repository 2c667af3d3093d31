"""What is wrong with a job document: the field and a reason that a merchant understands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        field: Path of the field, as `items[0].qty`; empty for the document as a whole.
        reason: What is wrong, as the end of a sentence that starts with the field's name.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.field} {self.reason}" if self.field else self.reason


class InvalidJob(ValueError):
    """The document is no refund job; the sender must correct it. Nothing was stored or sent.

    Attributes:
        problems: Everything that is wrong, at least one.
        idempotency_key: The key, where one could be read.
    """

    def __init__(self, problems: list[Problem], *, idempotency_key: str | None = None) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems
        self.idempotency_key = idempotency_key
