"""The report as one page of HTML that needs nothing from elsewhere: what it says besides its rows. Pure."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from worker.campaigns.report_columns import TONES, human
from worker.campaigns.report_figures import Figures
from worker.campaigns.report_plots import WIDTH, plots_of
from worker.campaigns.report_row import Ending

_TEMPLATES: Final = files("worker.campaigns") / "templates"
#: Differences that the page names; more are for the JSON form.
_MOST_DIFFERENCES: Final = 200
_NOT_AUDITED: Final = (
    "The amounts below are those that were read back after each refund. The shop was not asked again for this report."
)
_CHECKED: Final = "has its one credit memo in the shop, with its marker and the amount that was expected."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the ledger and a shop do not agree on."""

    kind: str
    key: str
    shop: str = ""
    memo_id: int | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """What the audit of the campaign came to.

    Attributes:
        was_made: Whether the shops were asked at all.
        settled: Settled jobs whose credit memo was held against them.
        unchecked: Jobs of shops that are not configured here.
        by: Who ran it.
        at_ms: When it ended.
    """

    was_made: bool
    settled: int = 0
    unchecked: int = 0
    by: str = ""
    at_ms: int = 0
    differences: Sequence[Finding] = ()

    def summary(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {**asdict(self), "agrees": self.was_made and not self.differences and not self.unchecked}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a report says of its campaign. Times are ms since 1970.

    Attributes:
        facts: Name and value, as they stand below the title.
        sha256: Of the file that the campaign was made from.
        acts: What people did with the campaign: at, act, by, why.
    """

    name: str
    made_by: str
    made_ms: int
    facts: Sequence[tuple[str, str]] = ()
    sha256: str = ""
    acts: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class Page:
    """The page in three parts: rows go between the first two, what is needed to read them between the last two."""

    before_rows: str
    before_words: str
    end: str


def page(about: About, figures: Figures, audit: AuditResult) -> Page:
    """Write the page around its rows."""
    script = _resource("report.js")
    marks = [secrets.token_hex(16) for _ in range(2)]
    totals = figures.totals()
    text = _environment().from_string(_resource("report.html")).render(
        campaign=about,
        facts=about.facts,
        acts=about.acts,
        verdict=verdict(audit, figures),
        tiles=_tiles(figures),
        totals=totals,
        many_shops=len({total.shop for total in totals}) > 1,
        any_persisted=any(total.persisted for total in totals),
        notes=_notes(figures),
        plots=plots_of(figures),
        width=WIDTH,
        footer=_footer(about),
        style=_resource("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data_mark=marks[0],
        words_mark=marks[1],
    )  # fmt: skip
    before_rows, rest = text.split(marks[0])
    before_words, end = rest.split(marks[1])
    return Page(before_rows, before_words, end)


def in_script(value: object) -> str:
    """Write JSON so that it can stand in a script element: nothing in it can end that element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def verdict(audit: AuditResult, figures: Figures) -> dict[str, Any]:
    """Say what the audit found: a title, sentences, and the differences."""
    by = f"Audited by {audit.by or 'nobody named'} at {human(audit.at_ms)} UTC."
    if not audit.was_made:
        return {"tone": "open", "title": "Not audited", "sentences": [_NOT_AUDITED], "differences": [], "more": 0}
    shown = audit.differences[:_MOST_DIFFERENCES]
    rest = len(audit.differences) - len(shown)
    found = {"differences": shown, "more": rest}
    if audit.differences:
        count = len(audit.differences)
        title = f"{count:,} {'difference' if count == 1 else 'differences'} between the ledger and the shop"
        return {"tone": "bad", "title": title, "sentences": [by], **found}
    checked = f"Each of the {audit.settled:,} settled jobs {_CHECKED}"
    if audit.unchecked:
        words = f"{audit.unchecked:,} jobs are of shops that are not configured here; they were not checked."
        return {"tone": "open", "title": "Audited in part", "sentences": [checked, words, by], **found}
    sentences = [checked, by]
    unknown, unfinished = figures.endings[Ending.UNKNOWN], figures.endings[Ending.OPEN]
    if unfinished:
        sentences.insert(1, f"{unfinished:,} jobs are not finished: make the report again when they are.")
    if unknown:
        sentences.insert(1, f"Of {unknown:,} jobs nobody knows yet whether money moved: a human must look at each.")
    tone = "open" if unknown or unfinished else "good"
    return {"tone": tone, "title": "Ledger and shop agree", "sentences": sentences, **found}


def _footer(about: About) -> str:
    made = f"Made {human(about.made_ms)} UTC by {about.made_by or 'nobody named'} from the refund ledger."
    return f"{made} SHA-256 of the campaign's file: {about.sha256}" if about.sha256 else made


def _tiles(figures: Figures) -> list[dict[str, str]]:
    tiles = [{"name": "jobs", "value": f"{figures.jobs:,}", "tone": ""}]
    for ending in Ending:
        count = figures.endings[ending]
        if count or ending in {Ending.REFUNDED, Ending.NOT_REFUNDED}:
            tone = TONES[ending] if count else ""
            tiles.append({"name": ending.value, "value": f"{count:,}", "tone": tone})
    if figures.mismatches:
        tiles.append({"name": "not as asked", "value": f"{figures.mismatches:,}", "tone": "bad"})
    return tiles


def _notes(figures: Figures) -> list[str]:
    totals = figures.totals()
    unnamed, unread, assumed = (sum(getattr(one, name) for one in totals) for name in ("unnamed", "unread", "assumed"))
    notes = ["Base currency of the orders. Difference: what the credit memos come to beyond what their jobs asked."]
    if unnamed:
        notes.append(f"{unnamed:,} jobs name no amount and had no quote; what they ask for is not part of “asked”.")
    if unread:
        notes.append(
            f"The credit memos of {unread:,} settled jobs were not read back; they are part of no sum of refunds."
        )
    if assumed:
        notes.append(
            f"{assumed:,} jobs without a credit memo are counted in the only currency of their shop's other jobs."
        )
    return notes


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["money"] = _money
    return environment


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _resource(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
