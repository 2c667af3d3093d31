"""One row of the table of answers: when it fits, and what the answer then means."""

import re
from dataclasses import dataclass
from typing import Final

from worker.domain.answer import AfterAbsence, Answer, AnswerClass, Shape
from worker.domain.service import Service

ALL: Final = frozenset(Service)
#: These two compute the credit memo and validate it whole before anything happens.
COMPUTED: Final = frozenset({Service.ORDER_REFUND, Service.INVOICE_REFUND})
#: These two take a credit memo as given, and answer with it.
GIVEN: Final = ALL - COMPUTED


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        rule: Its id, unique in its table.
        kind: Class of the answer.
        reason: Reason code of ours.
        source: Section of the contract that says so.
        statuses: HTTP statuses that it fits.
        services: Services that it fits.
        online: True fits only calls that asked the gateway to move money, False only the others, None both.
        shape: Form that the body must have.
        pattern: Must be found in the message, as sent or filled in; None when the text does not matter.
        after_absence: See `Reading`; read as `refuse` for every online call.
    """

    rule: str
    kind: AnswerClass
    reason: str
    source: str
    statuses: frozenset[int]
    services: frozenset[Service] = ALL
    online: bool | None = None
    shape: Shape = Shape.ANY
    pattern: re.Pattern[str] | None = None
    after_absence: AfterAbsence = "refuse"

    def fits(self, answer: Answer, service: Service | None, *, online: bool) -> bool:
        """Say whether this row decides the answer; `service` is None for a look-up."""
        return (
            answer.status in self.statuses
            and (service is None or service in self.services)
            and self.online in {None, online}
            and self.shape in answer.shapes
            and (self.pattern is None or any(self.pattern.search(words) for words in answer.wordings))
        )


def row(  # noqa: PLR0913  # one argument per column keeps a row of the table on one line
    rule: str,
    kind: AnswerClass,
    reason: str,
    source: str,
    *codes: int | range,
    services: frozenset[Service] = ALL,
    online: bool | None = None,
    shape: Shape = Shape.ANY,
    says: str | None = None,
    absent: AfterAbsence = "refuse",
) -> Row:
    """Make a row; `codes` are statuses and ranges of them, `says` is the pattern, `absent` is `after_absence`."""
    return Row(
        rule=rule,
        kind=kind,
        reason=reason,
        source=source,
        statuses=frozenset(code for part in codes for code in (part if isinstance(part, range) else (part,))),
        services=services,
        online=online,
        shape=shape,
        pattern=None if says is None else re.compile(says),
        after_absence=absent,
    )
