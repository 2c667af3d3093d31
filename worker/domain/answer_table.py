"""What each answer means, as rows. The first row that fits decides; what fits none is in doubt.

Texts are Magento's in English. A shop may answer in its own language: then only status and form can match, so a row
that needs a text must be one that a foreign text may miss without harm.
"""

from typing import Final

from worker.domain.answer import AnswerClass, Shape
from worker.domain.answer_refusals import NO_ENTITY, REFUSALS
from worker.domain.answer_row import COMPUTED, GIVEN, Row, row
from worker.domain.service import Service

_DONE: Final = AnswerClass.DONE
_NOT_SENT: Final = AnswerClass.NOT_SENT
_WAIT: Final = AnswerClass.THROTTLED
_LOCKED_OUT: Final = AnswerClass.UNAUTHORISED
_NONCE: Final = AnswerClass.NONCE_USED
_REFUSED: Final = AnswerClass.REFUSED
_DOUBT: Final = AnswerClass.IN_DOUBT
_REFUND: Final = frozenset({Service.CREDITMEMO_REFUND})

_MAINTENANCE: Final = r"<title>\s*Error 503: Service Unavailable"
_NO_ROUTE: Final = r"^(Request does not match any route|Specified request cannot be processed)\."
#: What Magento, and gateways before it, say in English when it is the credentials that are wrong.
_CREDENTIALS: Final = (
    r"(?i)authori[sz]|authenticat|token|signature|consumer|credential|api.?key|sign-in|log ?in|expired|denied"
)

#: Turned away at the door, the same for a refund and a look-up. A wrong address must not dead-letter a campaign one job
#: at a time, so it makes the shop wait like a throttle does: the breaker opens, and the jobs go on once it is mended.
_DOOR: Final = (
    row("429", _WAIT, "rate_limited", "4.1", 429),
    row("503-maintenance", _WAIT, "maintenance", "4.2", 503, says=_MAINTENANCE),
    row("404-route", _WAIT, "shop_misconfigured", "4.3", 400, 404, shape=Shape.MESSAGE, says=_NO_ROUTE),
    row("400-plain-http", _WAIT, "shop_misconfigured", "4.2", 400, says=r"plain HTTP request was sent to HTTPS port"),
    row("405", _WAIT, "shop_misconfigured", "4.3", 405),
    # 303 is left out: it can mean "done, see there".
    row("3xx", _WAIT, "shop_redirects", "4.1", 301, 302, 307, 308),
    row(
        "400-oauth-field", _LOCKED_OUT, "bad_credentials", "6", 400, shape=Shape.MESSAGE, says=r'^"oauth_\w+" is requir'
    ),
    row(
        "400-oauth",
        _LOCKED_OUT,
        "bad_credentials",
        "6",
        400,
        shape=Shape.MESSAGE,
        says=r'^(Signature method .+ is not supported|The ".*" Oauth version isn\'t|The token length is invalid)',
    ),
    row("403-407", _LOCKED_OUT, "forbidden", "4.1", 403, 407),
)

_UNAUTHORISED: Final = (
    row("401-nonce-used", _NONCE, "nonce_used", "6", 401, says=r"^The nonce is already being used", absent="resend"),
    row("401-nonce-error", _NONCE, "nonce_error", "6", 401, says=r"(?i)nonce", absent="resend"),
    # The same in another language: only this 401 has one number as its parameters.
    row("401-nonce-form", _NONCE, "nonce_used", "6", 401, shape=Shape.NUMBERED, absent="resend"),
    row("401-resources", _LOCKED_OUT, "not_authorised", "4.3", 401, shape=Shape.RESOURCES),
    row("401-words", _LOCKED_OUT, "bad_credentials", "6", 401, shape=Shape.MESSAGE, says=_CREDENTIALS),
    # A message that we cannot read may be the nonce's. Reconciling first costs a look-up; the opposite, a refund.
    row("401-foreign", _NONCE, "unknown_401", "4.2", 401, shape=Shape.MESSAGE, absent="resend"),
    row("401-other", _LOCKED_OUT, "not_authorised", "4.1", 401),
)

_SUCCESS: Final = (
    row("200-id", _DONE, "done", "2.7", 200, services=COMPUTED, shape=Shape.MEMO_ID),
    row("200-memo", _DONE, "done", "2.7", 200, services=GIVEN, shape=Shape.MEMO),
    # JSON that Magento never answers here: someone changed the service, so a repeat is not ours to decide.
    row("2xx-json", _DOUBT, "unexpected_answer", "2.7", range(200, 300), shape=Shape.JSON),
    # Half a body, or the page of something in between (a waiting room, a cache).
    row("2xx-unreadable", _DOUBT, "unreadable_answer", "4.2", range(200, 300), absent="resend"),
)

_COULD_NOT_SAVE: Final = (
    r"^(Could not save a Creditmemo, see error log|Could not save Source Item|The credit memo couldn't be saved\.)"
)

_UNKNOWN: Final = (
    # Offline these are rolled back: a deadlock, a lock wait, a fault of the shop. Online the money may have moved.
    row(
        "400-could-not-save",
        _DOUBT,
        "could_not_save",
        "3.2-3.4",
        400,
        shape=Shape.MESSAGE,
        says=_COULD_NOT_SAVE,
        absent="resend",
    ),
    row("400-database", _DOUBT, "database_error", "3.3", 400, says=r"SQLSTATE|Deadlock|Lock wait", absent="resend"),
    # Someone has this number: an earlier send of ours, which reconciling finds, or a stranger, which no repeat changes.
    row(
        "400-duplicate",
        _DOUBT,
        "duplicate_increment_id",
        "7",
        400,
        services=GIVEN,
        says=r"^Unique constraint violation",
    ),
    row(
        "400-no-capture", _DOUBT, "no_capture", "3.5", 400, services=_REFUND, online=True, says=r"^If the invoice was c"
    ),
    row(
        "400-declined",
        _DOUBT,
        "gateway_declined",
        "3.3 step 6",
        400,
        services=_REFUND,
        online=True,
        shape=Shape.MESSAGE,
        says=r"(?i)declin|refus|reject|denied|insufficient",
    ),
    row("400-online", _DOUBT, "online_refund_failed", "4.4", 400, services=_REFUND, online=True, shape=Shape.MESSAGE),
    # A rule of the shop's own, or Magento's words in another language. Once absence is proven it was a refusal.
    row("400-own-rule", _DOUBT, "unknown_refusal", "4.2", 400, 404, 409, 412, 422, shape=Shape.MESSAGE),
    # Not Magento's form, so not Magento: a wrong path, or a proxy that read the request and would not pass it on.
    row("404-page", _WAIT, "shop_misconfigured", "4.3", 404),
    row("4xx-proxy", _REFUSED, "request_not_accepted", "4.2", 411, 413, 414, 415, 431),
    # Masked: an unknown nested key (for good), a lock wait of 50 s (passes). The limit of sends bounds the former.
    row("500-masked", _DOUBT, "internal_error", "4.2", 500, shape=Shape.MESSAGE, absent="resend"),
    # A PHP error: a division by zero (for good), a half-deployed shop (passes). As above.
    row(
        "500-php", _DOUBT, "php_error", "4.2", 500, says=r"^An error has happened during application r", absent="resend"
    ),
    row("500", _DOUBT, "server_error", "4.4", 500, absent="resend"),
    row("502-504", _DOUBT, "bad_gateway", "4.4", 502, 504, absent="resend"),
    row("503", _DOUBT, "unavailable", "4.4", 503, absent="resend"),
    row("408-5xx", _DOUBT, "server_error", "4.4", 408, range(501, 600), absent="resend"),
)

#: For the four services.
SENDS: Final[tuple[Row, ...]] = (*_SUCCESS, *_DOOR, *_UNAUTHORISED, *REFUSALS, *_UNKNOWN)

#: For look-ups, which have no effect: everything that passes is `not_sent`.
LOOKUPS: Final[tuple[Row, ...]] = (
    row("lookup-200", _DONE, "found", "5", 200, shape=Shape.DOCUMENT),
    *_DOOR,
    row("lookup-401-nonce", _LOCKED_OUT, "nonce_error", "6", 401, says=r"(?i)\bnonce\b"),
    row("lookup-401", _LOCKED_OUT, "not_authorised", "4.3", 401),
    row("lookup-404", _REFUSED, "not_found", "4.3", 404, shape=Shape.MESSAGE, says=NO_ENTITY),
    row("lookup-404-foreign", _REFUSED, "not_found", "4.2", 404, shape=Shape.MESSAGE),
    row("lookup-404-page", _WAIT, "shop_misconfigured", "4.3", 404),
    row("lookup-400", _REFUSED, "bad_request", "4.3", 400, shape=Shape.MESSAGE),
    row("lookup-2xx", _NOT_SENT, "unreadable_answer", "4.2", range(200, 300)),
    row("lookup-other", _NOT_SENT, "server_error", "4.2", range(100, 600)),
)
