"""From a value or a `ShopError` to an HTTP answer, in JSON or XML."""

import json
from typing import Any, Final
from xml.sax.saxutils import escape

from aiohttp import web

from worker.sandbox.errors import ShopError, html_failure

_HEADERS: Final = {"Cache-Control": "no-store"}


def wants_xml(accept: str) -> bool:
    """Choose between XML and JSON by the Accept header.

    Raises:
        ShopError: Neither will do: Magento answers its HTML error page.
    """
    types = [part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    for kind in types:
        if kind in {"*/*", "application/*", "application/json"}:
            return False
        if kind in {"application/xml", "text/xml", "application/xhtml+xml"}:
            return True
    if types:
        raise html_failure()
    return False


def answer(value: Any, *, is_xml: bool = False, status: int = 200) -> web.Response:  # noqa: ANN401 - any JSON value
    """Answer with a value."""
    if is_xml:
        text = f'<?xml version="1.0"?>\n{_xml("response", value, 0)}\n'
        return web.Response(text=text, status=status, content_type="application/xml", charset="utf-8", headers=_HEADERS)
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return web.Response(text=body, status=status, content_type="application/json", charset="utf-8", headers=_HEADERS)


def failure(error: ShopError, *, is_xml: bool = False) -> web.Response:
    """Answer with an error in its own shape."""
    if isinstance(error.body, dict):
        response = answer(error.body, is_xml=is_xml, status=error.status)
    else:
        response = web.Response(text=error.body, status=error.status, content_type=error.content_type, charset="utf-8")
    response.headers.update(error.headers or {})
    return response


def _xml(tag: str, value: Any, depth: int) -> str:  # noqa: ANN401 - JSON of any kind
    indent = "  " * depth
    if isinstance(value, dict):
        inner = "".join(_xml(key, entry, depth + 1) + "\n" for key, entry in value.items())
        return f"{indent}<{tag}>\n{inner}{indent}</{tag}>"
    if isinstance(value, list):
        inner = "".join(_xml("item", entry, depth + 1) + "\n" for entry in value)
        return f"{indent}<{tag}>\n{inner}{indent}</{tag}>"
    return f"{indent}<{tag}>{escape('' if value is None else str(value))}</{tag}>"
