"""The ways in which Magento says no: each shape of body once.

A `ShopError` carries a finished body; `render.py` puts it on the wire.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final

NO_SUCH_ENTITY: Final = "The entity that was requested doesn't exist. Verify the entity and try again."
ID_NEEDED: Final = "An ID is needed. Set the ID and try again."
COULD_NOT_SAVE: Final = "Could not save a Creditmemo, see error log for details"
MEMO_NOT_SAVED: Final = "The credit memo couldn't be saved."
NOT_UNIQUE: Final = "Unique constraint violation found"
NOT_AUTHORISED: Final = "The consumer isn't authorized to access %resources."
SEVERAL: Final = "One or more input exceptions have occurred."
REQUIRED: Final = '"%fieldName" is required. Enter and try again.'
CANNOT_PROCESS: Final = "Specified request cannot be processed."
PHP_ERROR_TEXT: Final = "An error has happened during application run. See exception log for details.\n"
BAD_GATEWAY_HTML: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)
_PAGE: Final = """<!doctype html>
<html xmlns="http://www.w3.org/1999/xhtml" >
<head>
    <title>{title}</title>
    <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
    <meta name="robots" content="*"/>
</head>
<body>
    <main class="page-main">
{content}
    </main>
</body>
</html>
"""


@dataclass(eq=False)
class ShopError(Exception):
    """An answer that is not a success.

    Attributes:
        status: HTTP status.
        body: A JSON object, or text that goes out as it is.
        content_type: Of a text body.
        headers: Extra headers.
    """

    status: int
    body: dict[str, Any] | str
    content_type: str = "application/json"
    headers: dict[str, str] | None = None


def refused(message: str, parameters: list[Any] | dict[str, Any] | None = None, *, status: int = 400) -> ShopError:
    """Give Magento's ordinary JSON error; `parameters` is left out when empty."""
    body: dict[str, Any] = {"message": message}
    if parameters:
        body["parameters"] = parameters
    return ShopError(status, body)


def not_found() -> ShopError:
    """Give the 404 of an unknown entity."""
    return refused(NO_SUCH_ENTITY, status=404)


def not_authorised(resource: str) -> ShopError:
    """Give the 401 that Magento uses for a missing, wrong or weak token alike."""
    return refused(NOT_AUTHORISED, {"resources": resource}, status=401)


def required(*fields: str) -> ShopError:
    """Give the 400 of missing parameters; several stand below a general message."""
    errors = [{"message": REQUIRED, "parameters": {"fieldName": field}} for field in fields]
    if len(errors) == 1:
        return ShopError(400, {**errors[0]})
    return ShopError(400, {"message": SEVERAL, "errors": errors})


def wrong_type(value: str, expected: str, path: tuple[str, ...] = ()) -> ShopError:
    """Give the 400 of a value that cannot be converted; each enclosing property adds a sentence."""
    where = "".join(f'Error occurred during "{name}" processing. ' for name in path)
    return refused(
        f'{where}The "{value}" value\'s type is invalid. The "{expected}" type was expected. Verify and try again.'
    )


def masked() -> ShopError:
    """Give the 500 that hides the reason behind a report id."""
    report = f"webapi-{secrets.token_hex(7)[:13]}"
    text = f"Internal Error. Details are available in Magento log file. Report ID: {report}"
    return ShopError(500, {"message": text})


def php_error() -> ShopError:
    """Give the 500 of a PHP error: plain text."""
    return ShopError(500, PHP_ERROR_TEXT, "text/plain")


def bad_gateway() -> ShopError:
    """Give nginx's 502 page."""
    return ShopError(502, BAD_GATEWAY_HTML, "text/html")


def unavailable() -> ShopError:
    """Give a 503 that is not Magento's."""
    return ShopError(503, "Service Unavailable\n", "text/plain")


def too_many(seconds: int = 1) -> ShopError:
    """Give the 429 of a gateway in front of the shop.

    Args:
        seconds: Value of `Retry-After`.
    """
    body = {"message": "Too Many Requests"}
    return ShopError(429, body, headers={"Retry-After": str(seconds)})


def maintenance() -> ShopError:
    """Give Magento's maintenance page."""
    content = (
        "        \n<h1>Service Temporarily Unavailable</h1>\n<p>\n"
        "    The server is temporarily unable to service your request due to maintenance downtime"
        " or capacity problems.\n"
        "    Please try again later.\n</p>"
    )
    return ShopError(503, _PAGE.format(title="Error 503: Service Unavailable", content=content), "text/html")


def html_failure() -> ShopError:
    """Give the page that answers an Accept header which the API cannot serve."""
    title = "There has been an error processing your request"
    content = (
        f"        \n<h1>{title}</h1>\n"
        "    <p><em>Exception printing is disabled by default for security reasons.</em></p>\n"
        f"\n    <p>Error log record number: {secrets.token_hex(32)}</p>"
    )
    return ShopError(500, _PAGE.format(title=title, content=content), "text/html")
