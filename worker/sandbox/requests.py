"""How Magento reads a request before any service runs: method, path, body."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from worker.sandbox.errors import CANNOT_PROCESS, ShopError, refused

_CONTENT_TYPE: Final = re.compile(r"([a-z\d/\-+.]+?)(?:; *charset=(.+?))?", re.IGNORECASE)
_VERSION: Final = re.compile(r"V\d+")
_JSON_TYPE: Final = "application/json"
#: Only an escape can bring half a character in.
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89A-Fa-f]")


@dataclass(frozen=True)
class Route:
    """One route of the API.

    Attributes:
        method: HTTP method.
        pattern: Segments after `/V1/`; one that begins with a colon is a variable.
        name: What handles it.
        resource: ACL resource; None for anybody.
    """

    method: str
    pattern: tuple[str, ...]
    name: str
    resource: str | None


def _route(method: str, path: str, name: str, resource: str | None) -> Route:
    return Route(method, tuple(path.split("/")), name, f"Magento_Sales::{resource}" if resource else None)


ROUTES: Final = (
    _route("POST", "order/:orderId/refund", "order_refund", "creditmemo"),
    _route("POST", "invoice/:invoiceId/refund", "invoice_refund", "sales_invoice"),
    _route("POST", "creditmemo/refund", "creditmemo_refund", "sales_creditmemo"),
    _route("POST", "creditmemo", "creditmemo_save", "sales_creditmemo"),
    _route("GET", "creditmemos", "creditmemos", "sales_creditmemo"),
    _route("GET", "creditmemo/:id", "creditmemo", "sales_creditmemo"),
    _route("PUT", "creditmemo/:id", "creditmemo_cancel", "sales_creditmemo"),
    _route("GET", "creditmemo/:id/comments", "creditmemo_comments", "sales_creditmemo"),
    _route("POST", "creditmemo/:id/comments", "creditmemo_comment", "sales_creditmemo"),
    _route("POST", "creditmemo/:id/emails", "creditmemo_emails", "sales_creditmemo"),
    _route("GET", "orders", "orders", "actions_view"),
    _route("GET", "orders/:id", "order", "actions_view"),
    _route("GET", "orders/:id/comments", "order_comments", "actions_view"),
    _route("GET", "orders/:id/statuses", "order_status", "actions_view"),
    _route("POST", "orders/:id/comments", "order_comment", "comment"),
    _route("GET", "invoices", "invoices", "sales_invoice"),
    _route("GET", "invoices/:id", "invoice", "sales_invoice"),
    _route("GET", "transactions", "transactions", "transactions_fetch"),
    _route("POST", "integration/admin/token", "admin_token", None),
)
#: The four services that make credit memos: faults, limits and counts apply to them.
SERVICES: Final = frozenset({"order_refund", "invoice_refund", "creditmemo_refund", "creditmemo_save"})


def matched(method: str, path: str, store_codes: tuple[str, ...]) -> tuple[Route, dict[str, str]]:
    """Find the route of a request and its path variables.

    Raises:
        ShopError: 405 for a strange method, 400 for a path that is not of the API, 404 for an unknown route.
    """
    if method not in {"GET", "POST", "PUT", "DELETE"}:
        body: dict[str, Any] | str = {"message": f"The {method} HTTP method is not supported."}
        raise ShopError(405, "" if method == "HEAD" else body, "application/json")
    segments = [segment for segment in path.removeprefix("/index.php").split("/") if segment][1:]
    if segments and segments[0] in store_codes:
        segments = segments[1:]
    if not segments or not _VERSION.fullmatch(segments[0]):
        raise refused(CANNOT_PROCESS)
    if segments[0] == "V1":
        for route in ROUTES:
            if route.method == method and len(route.pattern) == len(segments) - 1:
                variables = _variables(route.pattern, segments[1:])
                if variables is not None:
                    return route, variables
    raise refused("Request does not match any route.", status=404)


def _variables(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    found = {}
    for wanted, segment in zip(pattern, segments, strict=True):
        if wanted.startswith(":"):
            found[wanted[1:]] = segment
        elif wanted != segment:
            return None
    return found


def body_of(raw: bytes, content_type: str | None) -> dict[str, Any]:
    """Read the body; an empty one, and one that is no object, hold no parameters.

    Raises:
        ShopError: 400, as Magento answers.
    """
    if not raw:
        return {}
    if not content_type:
        raise refused("Content-Type header is empty.")
    match = _CONTENT_TYPE.fullmatch(content_type.strip())
    if match is None:
        raise refused("Content-Type header is invalid.")
    if (match[2] or "utf-8").strip('"').lower() != "utf-8":
        raise refused("UTF-8 is the only supported charset.")
    if match[1].lower() != _JSON_TYPE:
        raise refused(f"Server cannot understand Content-Type HTTP header media type {match[1]}")
    try:
        found = decoded(raw)
    except (ValueError, RecursionError) as exc:
        raise refused("Decoding error.") from exc
    return found if isinstance(found, dict) else {}


def decoded(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON as PHP does: UTF-8 and nothing else, without a mark, and no half characters.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is too deep.
    """
    text = raw.decode()
    found = json.loads(text, parse_constant=_no_constant)
    if _HALF_CHARACTER.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
