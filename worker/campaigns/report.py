"""The report of a campaign: its jobs page by page, each held against its shop, into files; and who made it."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from worker.audit import Audit, check
from worker.campaigns.report_columns import human
from worker.campaigns.report_figures import Figures
from worker.campaigns.report_files import Format, Reports
from worker.campaigns.report_page import About, AuditResult, Finding
from worker.campaigns.report_row import row_of
from worker.campaigns.store import CAMPAIGN, Campaign, Campaigns
from worker.domain.facts import Document
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.resources import Shop
from worker.trail import Record, Trail

#: Acts on the campaign that the report names, at most; the newest.
_MOST_ACTS: Final = 200
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Made:
    """A report that was made.

    Attributes:
        files: Where each file is, with its SHA-256.
    """

    files: Mapping[Path, str]
    figures: Figures
    audit: AuditResult


async def campaign_keys(redis: Redis, name: str) -> AsyncIterator[list[str]] | None:
    """Give the keys of a campaign in pages; None where its list does not hold all jobs, so that they must be sought."""
    campaigns = Campaigns(redis)
    listed = int(await redis.llen(f"{CAMPAIGN}{name}:keys"))
    counted = (await campaigns.counts(name)).total
    return campaigns.keys(name) if listed and listed == counted else None


async def make_report(  # noqa: PLR0913 - of what, against what, where to, and who
    redis: Redis,
    campaign: Campaign,
    shops: Mapping[str, Shop] | None,
    paths: Sequence[tuple[Format, Path]],
    *,
    by: str,
    tick: Callable[[int], None] = lambda _more: None,
) -> Made:
    """Make the report of a campaign; the trail keeps who made it, what the audit found, and the hash of each file.

    Args:
        redis: A client with `decode_responses=True`.
        campaign: The campaign.
        shops: The shops to audit it against; None makes a report without an audit.
        paths: Where each form goes.
        by: Who makes it.
        tick: Is told how many more jobs are written.

    Raises:
        NotSent, Throttled, Unauthorised: A shop could not be asked; no file was written.
    """
    ledger, found = Ledger(redis), Audit()
    with Reports(paths) as reports:
        async for keys in Campaigns(redis).keys(campaign.name):
            for entry, memo in await _read(found, ledger, keys, shops):
                reports.add(row_of(entry, memo))
            tick(len(keys))
        now_ms = await _now_ms(redis)
        audit = _result(found, was_made=shops is not None, by=by, at_ms=now_ms)
        about = About(
            name=campaign.name,
            made_by=by,
            made_ms=now_ms,
            facts=_facts(campaign, reports.figures),
            sha256=campaign.sha256,
            acts=[_act(record) for record in await _acts(redis, campaign.name)],
        )
        written = reports.finish(about, audit)
        made = Made(files={path: _sha256(path) for path in written}, figures=reports.figures, audit=audit)
    await Trail(redis).record(
        act="campaign.reported", subject=f"campaign:{campaign.name}", by=by, why="", after=_evidence(made)
    )
    return made


async def _read(
    found: Audit, ledger: Ledger, keys: Sequence[str], shops: Mapping[str, Shop] | None
) -> Sequence[tuple[Entry, Document | None]]:
    if shops is not None:
        return await check(found, ledger, keys, shops)
    return [(entry, None) for entry in (await ledger.find_many(keys)).values()]


def _result(found: Audit, *, was_made: bool, by: str, at_ms: int) -> AuditResult:
    return AuditResult(
        was_made=was_made,
        settled=found.settled,
        unchecked=found.unchecked,
        by=by,
        at_ms=at_ms,
        differences=[Finding(**asdict(one)) for one in found.differences],
    )


def _facts(campaign: Campaign, figures: Figures) -> list[tuple[str, str]]:
    started = campaign.started_ms or campaign.created_ms
    facts = [
        ("State", campaign.state.value),
        ("File", campaign.file),
        ("Started by", campaign.by),
        ("Started", human(started)),
        ("First job accepted", human(figures.first_ms)),
        ("Last job ended", human(figures.last_ms)),
        ("Lines refused at import", f"{campaign.rejected:,}" if campaign.rejected else ""),
        ("Limit", f"{campaign.limit_total:,.2f}" if campaign.limit_total is not None else ""),
    ]
    return [(name, value) for name, value in facts if value]


async def _acts(redis: Redis, name: str) -> list[Record]:
    acts = [record async for record in Trail(redis).records(subject=f"campaign:{name}")]
    return acts[-_MOST_ACTS:]


def _act(record: Record) -> dict[str, str]:
    return {"at": human(record.at_ms), "act": record.act.replace(".", " "), "by": record.by, "why": record.why}


def _evidence(made: Made) -> dict[str, object]:
    audit = replace(made.audit, differences=())
    return {
        "jobs": made.figures.jobs,
        "totals": [total.summary() for total in made.figures.totals()],
        "audited": audit.was_made,
        "differences": len(made.audit.differences),
        "unchecked": audit.unchecked,
        "files": {path.name: sha256 for path, sha256 in made.files.items()},
    }


def _sha256(path: Path) -> str:
    known = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            known.update(chunk)
    return known.hexdigest()


async def _now_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
