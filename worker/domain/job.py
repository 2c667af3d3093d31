"""The refund job, document version 1: every field, and every rule that needs no look-up.

Amounts are decimal strings in base currency. Unknown fields are refused, because Magento ignores unknown
top-level keys and a misspelt `items` would refund everything (contract section 0, fact 2).
"""

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from worker.domain.creditmemo import memo_problems
from worker.domain.money import Amount, Quantity
from worker.domain.problems import InvalidJob, Problem

#: Largest document that is read, in bytes. Magento itself limits nothing; a thousand lines fit.
MAX_DOCUMENT_BYTES: Final = 256 * 1024
#: sales_order.entity_id and its like are unsigned 32-bit integers.
MAX_ENTITY_ID: Final = 2**32 - 1
_MAX_COMMENT: Final = 2000
_MAX_METADATA: Final = 50
_MAX_METADATA_TEXT: Final = 500
_PLAIN: Final = (str, int, type(None))
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: The last character that MySQL's utf8 keeps.
_LAST_OF_3_BYTES: Final = "\uffff"


def _comment(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip() in {"", "0"}:
        raise ValueError('must not be empty or "0": Magento fails on such a comment')
    if len(value) > _MAX_COMMENT:
        raise ValueError(f"is longer than {_MAX_COMMENT} characters")
    if not value.isascii() and max(value) > _LAST_OF_3_BYTES:
        raise ValueError("must not hold emoji or other 4-byte characters: Magento stores them as ????")
    if not value.isascii() and _HALF.search(value):
        raise ValueError("must not hold half a character (a lone surrogate)")
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters")
    return value


def _return_to_stock(value: object) -> object:
    if value is False:
        return None
    if value is True or value is None or (isinstance(value, list) and value):
        return value
    raise ValueError("must be true or a list of order item ids")


def _metadata(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MAX_METADATA:
        raise ValueError(f"must be an object with at most {_MAX_METADATA} fields")
    for name, item in value.items():
        if not isinstance(item, _PLAIN) or len(str(item)) > _MAX_METADATA_TEXT:
            raise ValueError(f"field {name!r} must be a text, a whole number, a boolean or null, of bounded length")
        if not (text := f"{name}{item}").isascii() and _HALF.search(text):
            raise ValueError(f"field {name!r} holds half a character (a lone surrogate)")
    return value


def _shipping(value: object) -> object:
    if value == "all":
        return value
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "4.50", or "all"')
    return value


EntityId = Annotated[
    int,
    Field(strict=True, gt=0, le=MAX_ENTITY_ID),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ENTITY_ID}),
]
Key = Annotated[
    str,
    Field(strict=True, pattern=r"^[\x21-\x7e]{1,255}$"),
    WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,255}$"}),
]
Text = Annotated[str, Field(strict=True, max_length=255)]
ShopName = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
CampaignName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Mode(StrEnum):
    """What Magento is asked to do: `process` performs the refund, `persist` only stores a credit memo."""

    PROCESS = "process"
    PERSIST = "persist"


#: Looking up a member of an enum costs as much as half a job's rules.
_PERSIST: Final = Mode.PERSIST


class Line(BaseModel):
    """One line of an order and how much of it to refund; named by its id or by its SKU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_item_id: EntityId | None = None
    sku: Annotated[str, Field(strict=True, min_length=1, max_length=255)] | None = None
    qty: Quantity

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.order_item_id is None) == (self.sku is None):
            raise ValueError("needs exactly one of order_item_id and sku")
        return self


class RefundJob(BaseModel):
    """One validated request to refund part or all of one order."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Refund job, version 1")

    idempotency_key: Key = Field(description="Equal exactly when two jobs are the same refund.")
    mode: Mode = Field(
        default=Mode.PROCESS, description="process: Magento refunds; persist: a credit memo is only stored."
    )
    shop: ShopName = Field(default="default", description="Which configured Magento; not a store view.")
    order_id: EntityId | None = Field(default=None, description="Entity id of the order.")
    order_number: Annotated[str, Field(strict=True, pattern=r"^[!-~]{1,50}$")] | None = Field(
        default=None, description="Increment id of the order; looked up, and compared with what is read back."
    )
    invoice_id: EntityId | None = Field(default=None, description="Entity id of the invoice.")
    items: Annotated[list[Line], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Lines to refund. Absent means everything that is left, and only with full: true."
    )
    full: StrictBool = Field(default=False, description="Refund everything that is left.")
    amount: Amount | None = Field(default=None, description="Goodwill: this amount and no items. Base currency.")
    shipping_amount: Annotated[Amount | Literal["all"], BeforeValidator(_shipping)] | None = Field(
        default=None,
        description='Shipping to refund, base currency, or "all". Default "0" for partial, "all" for full.',
    )
    adjustment_positive: Amount | None = Field(default=None, description="Added to the memo, base currency.")
    adjustment_negative: Amount | None = Field(default=None, description="Taken off the memo, base currency.")
    return_to_stock: Annotated[
        Annotated[list[EntityId], Field(min_length=1, max_length=1000)]
        | Annotated[Literal[True], WithJsonSchema({"type": "boolean"})]
        | None,
        BeforeValidator(_return_to_stock),
    ] = Field(default=None, description="Order item ids to put back on stock, or true for every refunded line.")
    online: StrictBool = Field(
        default=False, description="Ask the payment gateway to move the money; needs an invoice."
    )
    notify: StrictBool = Field(default=False, description="E-mail the customer.")
    comment: Annotated[str, BeforeValidator(_comment), Field(strict=True)] | None = Field(
        default=None, description="Text on the credit memo; the marker `ref <key>` follows on its own line."
    )
    comment_visible: StrictBool = Field(default=False, description="Show the comment to the customer.")
    creditmemo: dict[str, Any] | None = Field(default=None, description="A whole Magento credit memo.")
    expected_total: Amount | None = Field(
        default=None, description="Refuse, or flag, when the memo's base grand total differs."
    )
    reason: Text | None = Field(default=None, description="Carried along, never sent to Magento.")
    requested_by: Text | None = Field(default=None, description="Carried along, never sent to Magento.")
    campaign: CampaignName | None = Field(default=None, description="Carried along, never sent to Magento.")
    metadata: Annotated[dict[str, str | bool | int | None] | None, BeforeValidator(_metadata)] = Field(
        default=None, description="Carried along, never sent to Magento."
    )

    @property
    def is_persist(self) -> bool:
        """Whether a credit memo is only stored."""
        return self.mode is _PERSIST

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if problems := [*_disagreements(self), *_what_to_refund(self), *_lines(self)]:
            raise PydanticCustomError("job", "{count} problems", {"count": len(problems), "problems": problems})
        return self


def _what_to_refund(job: RefundJob) -> Iterator[Problem]:
    if job.creditmemo is not None:
        return
    if job.mode is _PERSIST:
        yield Problem("creditmemo", "is required with mode persist: Magento stores exactly that document")
        return
    if job.order_id is None and job.order_number is None and job.invoice_id is None:
        yield Problem("order_id", "is missing: name the order (order_id or order_number) or the invoice (invoice_id)")
    if job.amount is not None and job.amount == 0:
        yield Problem("amount", "must be more than 0")
    elif bool(job.items) + job.full + bool(job.amount) > 1:
        one, other, *_ = [name for name in ("items", "full", "amount") if getattr(job, name)]
        yield Problem(one, f"and {other} exclude each other: say one of items, full and amount")
    elif not (job.items or job.full or job.amount or (job.shipping_amount and job.shipping_amount != 0)):
        yield Problem("items", "is missing: say items, full: true, amount, or a shipping_amount alone")
    if not (job.items or job.full) and (job.adjustment_positive or job.adjustment_negative):
        yield Problem("adjustment_positive", "and adjustment_negative need items or full; for goodwill use amount")


def _lines(job: RefundJob) -> Iterator[Problem]:
    seen: set[object] = set()
    for index, line in enumerate(job.items or ()):
        name = line.order_item_id or line.sku
        if name in seen:
            yield Problem(f"items[{index}]", f"names line {name} a second time; Magento would keep only the last")
        seen.add(name)
    if isinstance(job.return_to_stock, list) and len(set(job.return_to_stock)) != len(job.return_to_stock):
        yield Problem("return_to_stock", "names a line twice")


def _disagreements(job: RefundJob) -> Iterator[Problem]:
    if job.comment_visible and job.comment is None:
        yield Problem("comment_visible", "needs a comment to show")
    if job.online and job.mode is _PERSIST:
        yield Problem("online", "cannot go with mode persist: nothing is processed")
    if job.creditmemo is not None:
        yield from memo_problems(job.creditmemo, process=not job.is_persist)
        yield from _memo_disagreements(job, job.creditmemo)


def _memo_disagreements(job: RefundJob, memo: dict[str, Any]) -> Iterator[Problem]:
    for name in _CARRIED_BY_MEMO:
        if getattr(job, name):
            yield Problem(name, "cannot go with creditmemo: the document says it, or the service cannot do it")
    for name in ("order_id", "invoice_id"):
        given, inner = getattr(job, name), memo.get(name)
        if given is not None and inner is not None and given != inner:
            yield Problem(name, f"differs from creditmemo.{name} ({inner})")
    if job.order_id is None and job.order_number is None and memo.get("order_id") is None:
        yield Problem("creditmemo.order_id", "is missing: name the order")
    if job.online and (job.invoice_id or memo.get("invoice_id")) is None:
        yield Problem("online", "needs an invoice_id: without one Magento books an online refund and moves no money")
    if memo.get("transaction_id") and not _has_own_number(memo):
        yield Problem(
            "creditmemo.transaction_id",
            "is where the idempotency marker is kept; leave it out, or give increment_id and store_id as well",
        )


def _has_own_number(memo: dict[str, Any]) -> bool:
    return bool(memo.get("increment_id")) and memo.get("store_id") is not None


#: Fields that say what a whole credit memo says itself, or that its services cannot do (contract 1.3, 1.4, 3.3).
_CARRIED_BY_MEMO: Final = (
    *("items", "full", "amount", "shipping_amount", "adjustment_positive", "adjustment_negative"),
    *("return_to_stock", "notify", "comment", "comment_visible"),
)


def parse_job(raw: bytes | str | dict[str, Any], *, max_bytes: int = MAX_DOCUMENT_BYTES) -> RefundJob:
    """Read and validate one job document.

    Args:
        raw: JSON as bytes or text, or an object that was decoded elsewhere.
        max_bytes: Documents longer than this are refused unread.

    Raises:
        InvalidJob: With every problem found and, where it could be read, the key.
    """
    document = decode(raw, max_bytes) if isinstance(raw, bytes | str) else raw
    if not isinstance(document, dict):
        raise InvalidJob([Problem("", "the document must be a JSON object")])
    try:
        return RefundJob.model_validate(document)
    except (ValidationError, RecursionError) as error:
        problems = _problems(error) if isinstance(error, ValidationError) else [_TOO_DEEP]
        raise InvalidJob(problems, idempotency_key=_readable_key(document)) from None


def parse_stored(document: str) -> RefundJob:
    """Read a document that was accepted once, as the ledger keeps it; it can be longer than it came.

    Raises:
        InvalidJob: It was accepted by another version, or tampered with.
    """
    return parse_job(document, max_bytes=4 * len(document))  # no character takes more


_TOO_DEEP: Final = Problem("", "the document is nested too deeply")


def _readable_key(document: dict[str, Any]) -> str | None:
    key = document.get("idempotency_key")
    return key if isinstance(key, str) and _KEY.fullmatch(key) else None


def decode(raw: bytes | str, max_bytes: int = MAX_DOCUMENT_BYTES) -> object:
    """Read JSON as documents are read: amounts exactly, no name twice, nothing that is not JSON.

    Raises:
        InvalidJob: Says where it is wrong.
    """
    size = len(raw if isinstance(raw, bytes) or raw.isascii() else raw.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise InvalidJob([Problem("", f"the document has {size} bytes; at most {max_bytes} are read")])
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        raise InvalidJob([Problem("", f"the document is not UTF-8 (byte {error.start})")]) from None
    try:
        return _read(text)
    except json.JSONDecodeError as error:
        what = "Unexpected UTF-8 BOM (decode using utf-8-sig)" if text.startswith("\ufeff") else error.msg
        where = f"line {error.lineno}, column {error.colno}: {what}"
        raise InvalidJob([Problem("", f"the document is not JSON ({where})")]) from None
    except RecursionError:
        raise InvalidJob([_TOO_DEEP]) from None
    except ValueError as error:
        raise InvalidJob([Problem("", f"the document is not JSON ({error})")]) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the field "{twice}" is given twice')
    return document


#: Made once: `json.loads` makes a decoder for each document that it reads otherwise than usual.
_read: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique).decode


def _problems(error: ValidationError) -> list[Problem]:
    found: list[Problem] = []
    for detail in error.errors(include_url=False):
        if detail["type"] == "job":
            found.extend(detail["ctx"]["problems"])
        else:
            found.append(Problem(_path(detail["loc"]), _reason(detail)))
    return list(dict.fromkeys(found))


def _path(location: tuple[int | str, ...]) -> str:
    """`("items", 0, "qty")` as `items[0].qty`; names of union members, which pydantic adds, are left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"[a-z_]+", part) or not path:
            path += f".{part}" if path else part
    return path


def _reason(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails is a TypedDict of version-dependent keys
    match detail["type"]:
        case "int_type" if isinstance(detail["input"], str):
            return "must be a whole number: Magento's entity id (an increment id goes into order_number)"
        case "string_pattern_mismatch" | "string_unicode" if detail["loc"] == ("idempotency_key",):
            return "must be 1 to 255 printable ASCII characters without spaces"
        case "extra_forbidden":
            return "is not a field of the job document"
        case "missing":
            return "is required"
        case "value_error":
            return str(detail["ctx"]["error"])
        case _:
            message = str(detail["msg"])
            return message[0].lower() + message[1:]
