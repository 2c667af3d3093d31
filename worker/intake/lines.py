"""Lines of a campaign file: each becomes a job, or a reason why it is none. Runs in several processes.

What goes between processes are plain tuples, because there are a million of them.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from config.settings import Settings
from worker.campaigns.columns import Columns
from worker.campaigns.read import Record, cells_of
from worker.domain.asked import money_args
from worker.domain.job import RefundJob, decode
from worker.domain.key import fingerprint
from worker.domain.limits import Limits
from worker.domain.problems import InvalidJob, Problem
from worker.guards.budget import limits_by_shop
from worker.intake.accept import check

#: Stands for a key that is derived once it is known how often the same content came before.
_NO_KEY = "-"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the lines of one file are read.

    Attributes:
        campaign: Name of the campaign.
        shop: The shop of lines that name none; "" leaves it to the document's default.
        columns: What the cells mean; None for JSONL.
        delimiter: Between the cells.
    """

    settings: Settings
    campaign: str
    shop: str
    columns: Columns | None
    delimiter: str


class Good(NamedTuple):
    """A line that is a job.

    Attributes:
        key: Its idempotency key, or "" where the line gives none.
        cents: What it asks for, or "" where it does not say.
        currency: Base currency, where the line says one.
        document: As the ledger keeps it, without its key.
        limits: Limits of the settings, as the ledger takes them.
    """

    line: int
    key: str
    fingerprint: str
    shop: str
    cents: str
    currency: str
    document: str
    limits: str


class Bad(NamedTuple):
    """A line that is none.

    Attributes:
        key: Its key, as far as one could be read.
        reason: Everything that is wrong with it.
        raw: The line as it stands in the file, cut where it is long.
    """

    line: int
    key: str
    reason: str
    raw: str


#: Characters of a bad line that are kept for the reader of the list.
_RAW_LENGTH = 2000


def judge(records: Sequence[Record], reading: Reading) -> list[Good | Bad]:
    """Judge lines, in order."""
    limits = limits_by_shop(reading.settings)
    return [_judge(record, reading, limits) for record in records]


def _judge(record: Record, reading: Reading, limits: Mapping[str, Limits]) -> Good | Bad:
    try:
        job, has_key = _job(record, reading)
    except InvalidJob as error:
        key = error.idempotency_key or ""
        return Bad(record.line, "" if key == _NO_KEY else key, "; ".join(map(str, error.problems)), _shown(record.raw))
    cents, limit = money_args(job, limits[job.shop])
    return Good(
        line=record.line,
        key=job.idempotency_key if has_key else "",
        fingerprint=fingerprint(job),
        shop=job.shop,
        cents=str(cents),
        currency=str((job.creditmemo or {}).get("base_currency_code") or ""),
        document=job.model_dump_json(exclude_defaults=True, exclude={"idempotency_key"}),
        limits=str(limit),
    )


def _job(record: Record, reading: Reading) -> tuple[RefundJob, bool]:
    if record.wrong:
        raise InvalidJob([Problem("", record.wrong)])
    document = _document(record.raw, reading)
    named = document.get("campaign", reading.campaign)
    if named != reading.campaign:
        raise InvalidJob([Problem("campaign", f"is {str(named)[:100]!r}, and this campaign is {reading.campaign!r}")])
    has_key = document.get("idempotency_key") is not None
    document |= {"campaign": reading.campaign} | ({} if has_key else {"idempotency_key": _NO_KEY})
    if reading.shop and "shop" not in document:
        document["shop"] = reading.shop
    return check(document, reading.settings), has_key


def _document(raw: bytes, reading: Reading) -> dict[str, Any]:
    if b"\x00" in raw:
        raise InvalidJob([Problem("", "the line holds NUL bytes")])
    if reading.columns is None:
        found = decode(raw, reading.settings.max_document_bytes)
        if not isinstance(found, dict):
            raise InvalidJob([Problem("", "the line must be a JSON object")])
        return found
    try:
        return reading.columns.document(cells_of(raw.decode(), reading.delimiter))
    except UnicodeDecodeError as error:
        problem = f"the line is not UTF-8 (byte {error.start}); save the file as CSV UTF-8"
        raise InvalidJob([Problem("", problem)]) from None
    except csv.Error as error:
        raise InvalidJob([Problem("", f"the line is no CSV ({error})")]) from None


def _shown(raw: bytes) -> str:
    return raw[:_RAW_LENGTH].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def with_key(document: str, key: str) -> str:
    """Put the key into a document, as its first field."""
    return f'{{"idempotency_key":{json.dumps(key)},{document[1:]}'
