"""Columns: what the cells of a campaign file mean. Pure: a header becomes columns, and a row a job document.

The header names job fields. What is almost one is suggested and never guessed: a wrong guess would refund wrongly.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from worker.domain.job import RefundJob
from worker.domain.problems import InvalidJob, Problem

#: Names that people's exports have, and the field that is probably meant.
_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("key", "id", "ref", "reference", "idempotency key", "refund id"), "idempotency_key"),
    **dict.fromkeys(("order", "order #", "order no", "order no.", "order nr", "increment_id"), "order_number"),
    **dict.fromkeys(("order id", "orderid", "entity_id", "order_entity_id"), "order_id"),
    **dict.fromkeys(("invoice", "invoice #", "invoice id", "invoice no"), "invoice_id"),
    **dict.fromkeys(("total", "refund", "refund amount", "value", "price", "sum", "money"), "amount"),
    **dict.fromkeys(("sku", "skus", "qty", "quantity", "item", "product", "line items"), "items"),
    **dict.fromkeys(("shipping", "shipping cost", "freight", "postage"), "shipping_amount"),
    **dict.fromkeys(("note", "message", "text", "comments"), "comment"),
    **dict.fromkeys(("store", "website", "site"), "shop"),
    **dict.fromkeys(("email", "send email", "notify customer"), "notify"),
    **dict.fromkeys(("restock", "return to stock", "back to stock"), "return_to_stock"),
    **dict.fromkeys(("user", "requester", "requested by", "agent"), "requested_by"),
}
_WHOLE: Final = re.compile(r"[0-9]{1,10}")
_WORDS: Final[Mapping[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATOR: Final = re.compile(r"[;|,\n]")
#: So many wrong names of a header are told; a file of ten thousand is no campaign.
_NAMED: Final = 5
_NAME_LENGTH: Final = 40


class WrongFile(Exception):
    """The file as a whole is no campaign; nothing of it was accepted."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of one file, in its order; the name of a column that is not used is empty."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, header: Sequence[str]) -> "Columns":
        """Read a header.

        Raises:
            WrongFile: Names every column that is no job field, and what may be meant.
        """
        names = tuple(name.strip() for name in header)
        if not any(names):
            raise WrongFile("its first line is empty: it must name the columns (fields of the job document)")
        wrong = [name for name in names if name and not _is_field(name)]
        if wrong:
            raise WrongFile(_wrong_names(wrong, names))
        if twice := next((name for name in names if name and names.count(name) > 1), None):
            raise WrongFile(f"the column {twice!r} is there twice")
        return cls(names=names)

    def document(self, cells: Sequence[str]) -> dict[str, Any]:
        """Make a job document of one row; an empty cell says nothing.

        Raises:
            InvalidJob: With everything that no field can mean; the rules of the job itself are checked later.
        """
        if len(cells) > len(self.names) and any(cell.strip() for cell in cells[len(self.names) :]):
            raise InvalidJob([Problem("", f"the line has {len(cells)} cells, and the header names {len(self.names)}")])
        document: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, cell in zip(self.names, cells, strict=False):
            if not cell or not (text := cell.strip()):
                continue
            try:
                _put(document, name, text)
            except ValueError as error:
                problems.append(Problem(name, str(error)))
        if problems:
            key = document.get("idempotency_key")
            raise InvalidJob(problems, idempotency_key=key if isinstance(key, str) else None)
        return document


def _put(document: dict[str, Any], name: str, text: str) -> None:
    if text[0] == "=":
        raise ValueError("is a spreadsheet formula; put its value there")
    if not name:
        raise ValueError(f"the value {_short(text)!r} stands in a column without a name")
    if name.startswith("metadata."):
        document.setdefault("metadata", {})[name.removeprefix("metadata.")] = text
    elif name == "metadata":
        document.setdefault("metadata", {}).update(_object(text))
    else:
        document[name] = _CELLS[name](text) if name in _CELLS else text


def _is_field(name: str) -> bool:
    return name in RefundJob.model_fields or (name.startswith("metadata.") and name != "metadata.")


def _wrong_names(wrong: Sequence[str], names: Sequence[str]) -> str:
    told = [_suggestion(name, names) for name in wrong[:_NAMED]]
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return f"its first line must name fields of the job document, and these are none: {'; '.join(told)}{more}"


def _suggestion(name: str, names: Sequence[str]) -> str:
    plain = name.lower().replace("-", " ").strip()
    fields = list(RefundJob.model_fields)
    near = difflib.get_close_matches(plain.replace(" ", "_"), fields, n=1, cutoff=0.75)
    meant = _ALIASES.get(plain) or _ALIASES.get(plain.replace("_", " ")) or (near[0] if near else "")
    shown = repr(_short(name, _NAME_LENGTH))
    if not meant:
        return f"{shown} (a remark of your own goes into a column named metadata.<name>)"
    also = " (one cell, as sku:qty)" if meant == "items" else ""
    also = " (or order_id for Magento's entity id)" if meant == "order_number" else also
    return f"{shown} (is {meant} meant?{also})" if meant not in names else f"{shown} ({meant} is there already)"


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# --- cells ----------------------------------------------------------------------------------------------------------


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number, written with digits only")
    return int(text)


def _truth(text: str) -> bool:
    found = _WORDS.get(text.lower())
    if found is None:
        raise ValueError("must be true or false (also yes, no, 1, 0)")
    return found


def _lines(text: str) -> list[dict[str, Any]]:
    """`24-MB01:1; 24-MB02:2` or `17:1`: digits only are an order item id, and sku=17:1 a SKU of digits."""
    return [_line(part.strip()) for part in _SEPARATOR.split(text) if part.strip()]


def _line(part: str) -> dict[str, Any]:
    name, colon, qty = (piece.strip() for piece in part.rpartition(":"))
    if not colon or not name or not qty:
        raise ValueError(f"has {_short(part)!r}: write sku:qty or order_item_id:qty, as 24-MB01:1; 24-MB02:2")
    if name.startswith("sku="):
        return {"sku": name.removeprefix("sku="), "qty": qty}
    if _WHOLE.fullmatch(name):
        return {"order_item_id": int(name), "qty": qty}
    return {"sku": name, "qty": qty}


def _return_to_stock(text: str) -> bool | list[int]:
    if text.lower() in {"true", "false", "yes", "no"}:
        return _WORDS[text.lower()]
    try:
        return [_whole(part.strip()) for part in _SEPARATOR.split(text) if part.strip()]
    except ValueError:
        raise ValueError("must be true, or a list of order item ids, as 17; 18") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    return found


_CELLS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("order_id", "invoice_id"), _whole),
    **dict.fromkeys(("full", "online", "notify", "comment_visible"), _truth),
    "items": _lines,
    "return_to_stock": _return_to_stock,
    "creditmemo": _object,
}


def all_fields() -> Iterator[str]:
    """Names that a header may have, beside `metadata.<name>`."""
    yield from RefundJob.model_fields
