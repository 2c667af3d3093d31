"""What is in a campaign file, as people and scripts read it before anything is sent."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from worker.campaigns.words import amount_in_words
from worker.cli.output import answer, answer_table, remark
from worker.intake.campaign import LARGEST, Survey


@dataclass(kw_only=True)
class Quotes:
    """What the shop would make of jobs that were looked up now.

    Attributes:
        asked: Jobs that were looked up.
        sums: Totals of the quoted ones by base currency.
        unquoted: Jobs that would be sent, and whose total cannot be told before.
        refused: Jobs that would be refused, by reason code.
        examples: The first of those: key, and the words.
    """

    asked: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    quoted: int = 0
    unquoted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "asked": self.asked,
            "quoted": self.quoted,
            "unquoted": self.unquoted,
            "sums": {currency: Decimal(cents).scaleb(-2) for currency, cents in self.sums.items()},
            "refused": dict(self.refused),
            "refused_first": [{"key": key, "why": why} for key, why in self.examples],
        }


def as_json(name: str, file: str, survey: Survey, rejected_file: str) -> dict[str, Any]:
    """A survey as one JSON object."""
    return {
        "campaign": name,
        "file": file,
        "sha256": survey.sha256,
        "lines": survey.lines,
        "jobs": survey.good,
        "known": survey.known,
        "new": survey.good - survey.known,
        "elsewhere": survey.elsewhere,
        "rejected": survey.rejected,
        "rejected_file": rejected_file if survey.rejected else None,
        "conflicts": survey.conflicts,
        "sums": [
            {
                "shop": shop,
                "currency": currency or None,
                "jobs": one.jobs,
                "sum": one.amount,
                "without_sum": one.unknown,
            }
            for (shop, currency), one in sorted(survey.sums.items())
        ],
        "total": survey.total,
        "without_sum": survey.unknown,
        "largest": [
            {"amount": Decimal(cents).scaleb(-2), "line": line, "key": key} for cents, line, key in survey.largest
        ],
        "probable_duplicates": {
            "count": survey.twin_count,
            "first": [{"line": twin.line, "same_as_line": twin.first, "key": twin.key} for twin in survey.twins],
        },
    }


def tell(name: str, file: str, survey: Survey, rejected_file: str, *, in_full: bool) -> None:
    """Print a survey; `in_full` with the largest jobs."""
    answer(f"{name}: {survey.good:,} jobs on {survey.lines:,} lines of {file}")
    if survey.known:
        answer(f"  {survey.known:,} of them were accepted before and are not repeated")
    if survey.elsewhere:
        answer(f"  {survey.elsewhere:,} lines were accepted before, outside of this campaign; they are not repeated")
    if survey.rejected:
        also = f" ({survey.conflicts:,} have the key of a job with another content)" if survey.conflicts else ""
        answer(f"  {survey.rejected:,} lines are rejected{also}: {rejected_file} says why")
    if survey.sums:
        answer_table(
            ("shop", "currency", "count", "money", "without a sum"),
            [
                (
                    shop,
                    currency or "base",
                    f"{one.jobs:,}",
                    f"{one.amount:,.2f}",
                    f"{one.unknown:,}" if one.unknown else "",
                )
                for (shop, currency), one in sorted(survey.sums.items())
            ],
        )
    if in_full and survey.largest:
        rows = [(line, key, f"{Decimal(cents).scaleb(-2):,.2f}") for cents, line, key in survey.largest]
        answer_table(("line", "key", "money"), rows, title=f"the {min(LARGEST, len(rows))} largest")
    _tell_twins(survey)


def _tell_twins(survey: Survey) -> None:
    if not survey.twin_count:
        return
    remark(f"warning: {survey.twin_count:,} lines ask for what an earlier line asks for; each is a refund of its own:")
    for twin in survey.twins:
        remark(f"  line {twin.line} is as line {twin.first}")
    if survey.twin_count > len(survey.twins):
        remark(f"  and {survey.twin_count - len(survey.twins):,} more")


def tell_quotes(quotes: Quotes, jobs: int) -> None:
    """Print what the shop would make of the jobs that were looked up."""
    answer(f"looked up at the shop: {quotes.asked:,} of {jobs:,} jobs")
    for currency, cents in sorted(quotes.sums.items()):
        answer(f"  they will be {Decimal(cents).scaleb(-2):,.2f} {currency}, of {quotes.quoted:,} jobs")
    if quotes.unquoted:
        answer(f"  {quotes.unquoted:,} would be sent; their totals cannot be told before")
    for reason, count in quotes.refused.most_common():
        answer(f"  {count:,} would be refused: {reason}")
    for key, why in quotes.examples:
        answer(f"    {key}: {why}")


def money_in_words(survey: Survey) -> str:
    """Say how much will be refunded, with its words."""
    by_currency: dict[str, Decimal] = {}
    for (_, currency), one in survey.sums.items():
        if one.jobs > one.unknown:
            by_currency[currency] = by_currency.get(currency, Decimal(0)) + one.amount
    said = [_said(amount, currency) for currency, amount in sorted(by_currency.items())]
    unknown = f"{survey.unknown:,} jobs do not say a sum (lines or full refunds): theirs comes on top"
    if not said:
        return "no job says a sum: how much it will be is known only at the shop (--dry-run --live looks)"
    return "; ".join(said) + (f"; {unknown}" if survey.unknown else "")


def _said(amount: Decimal, currency: str) -> str:
    return f"{amount:,.2f} {currency or 'in base currency'} ({amount_in_words(amount)})"


def sample_of(places: int, wanted: int) -> Sequence[int]:
    """Choose places that are spread evenly over all."""
    return range(places) if wanted >= places else [number * places // wanted for number in range(wanted)]
