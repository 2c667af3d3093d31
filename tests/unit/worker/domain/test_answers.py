"""The table of answers, held against every recorded answer of a live shop and against what a shop could answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from worker.domain.answer_table import LOOKUPS, SENDS
from worker.domain.answers import Answer, AnswerClass, read_answer, read_lookup, render_message
from worker.domain.service import Service

DATA = Path(__file__).parents[3] / "data" / "magento"
ORDER, INVOICE = Service.ORDER_REFUND, Service.INVOICE_REFUND
REFUND, SAVE = Service.CREDITMEMO_REFUND, Service.CREDITMEMO_SAVE

#: (class, reason) of every recorded answer of the four services that is not a credit memo.
EXPECTED: dict[tuple[AnswerClass, str], str] = {
    (AnswerClass.IN_DOUBT, "bad_gateway"): "fpm_worker_killed_mid_request",
    (AnswerClass.IN_DOUBT, "could_not_save"): """
        fatal_in_gateway invoice_refund_online_gateway_declines creditmemo_refund_entity_id_unknown
        lock_wait_timeout_creditmemo_refund lock_wait_timeout_invoice_refund""",
    (AnswerClass.IN_DOUBT, "duplicate_increment_id"): """
        creditmemo_save_create_duplicate_increment_id marker_cmr_increment_id_duplicate
        marker_cmr_increment_id_duplicate_other_order marker_cmr_online_increment_id_duplicate""",
    (AnswerClass.IN_DOUBT, "gateway_declined"): "creditmemo_refund_gateway_online_decline",
    (AnswerClass.IN_DOUBT, "internal_error"): """
        creditmemo_refund_unknown_field invoice_refund_unknown_field_nested lock_wait_timeout_order_refund
        marker_cmr_customer_note order_refund_unknown_field_nested""",
    (AnswerClass.IN_DOUBT, "php_error"): """
        creditmemo_refund_unknown_order_item creditmemo_save_missing_required invoice_refund_wrong_type_items
        order_refund_wrong_type_items""",
    (AnswerClass.IN_DOUBT, "server_error"): "accept_html_refund db_down_refund",
    (AnswerClass.IN_DOUBT, "unreadable_answer"): "accept_xml_ok",
    (AnswerClass.REFUSED, "bad_request"): """
        creditmemo_refund_malformed_json creditmemo_save_missing_entity invoice_refund_malformed_json
        invoice_refund_non_numeric_invoice invoice_refund_order_item_id_word invoice_refund_wrong_type_qty
        order_refund_malformed_json order_refund_wrong_content_type""",
    (AnswerClass.REFUSED, "comments_not_accepted"): """
        creditmemo_refund_with_comments creditmemo_save_with_comments marker_cmr_comment_with_parent_id_0""",
    (AnswerClass.REFUSED, "existing_creditmemo"): "creditmemo_refund_entity_id_of_existing",
    (AnswerClass.REFUSED, "invoice_not_refundable"): """
        invoice_refund_checkmo_full invoice_refund_checkmo_is_online_true invoice_refund_checkmo_partial
        invoice_refund_open_invoice""",
    (AnswerClass.REFUSED, "item_not_on_order"): """
        invoice_refund_mixed_known_unknown_item invoice_refund_unknown_order_item
        order_refund_increment_id_instead_of_entity_id order_refund_mixed_known_unknown_item route_trailing_slash""",
    (AnswerClass.REFUSED, "max_money"): """
        creditmemo_refund_grand_total_above_paid creditmemo_refund_not_invoiced creditmemo_refund_qty_too_large
        invoice_refund_adjustment_larger_than_paid order_refund_not_invoiced_full""",
    (AnswerClass.REFUSED, "missing_id"): """
        invoice_refund_item_without_order_item_id invoice_refund_items_single_object invoice_refund_zero_invoice""",
    (AnswerClass.REFUSED, "order_not_found"): """
        creditmemo_refund_no_order_id creditmemo_refund_unknown_order creditmemo_save_unknown_order
        order_refund_unknown_order""",
    (AnswerClass.REFUSED, "order_status"): """
        invoice_refund_already_fully_refunded order_refund_already_fully_refunded order_refund_canceled_order
        order_refund_not_captured order_refund_on_hold_order""",
    (AnswerClass.REFUSED, "qty_not_whole"): "invoice_refund_qty_fraction order_refund_qty_fraction",
    (AnswerClass.REFUSED, "qty_too_large"): """
        creditmemo_refund_repeat_same_body_5 creditmemo_refund_repeat_same_body_6 order_refund_closed_order_partial
        order_refund_not_invoiced_partial order_refund_partly_invoiced_qty_over_invoiced""",
    (AnswerClass.REFUSED, "shipping_too_large"): """
        invoice_refund_second_shipping_more_than_left invoice_refund_shipping_over_available_by_cent
        order_refund_shipping_more_than_left""",
    (AnswerClass.THROTTLED, "maintenance"): "maintenance_refund",
    # Recorded with `Accept: application/xml`, which we never send: a 404 that is no Magento JSON.
    (AnswerClass.THROTTLED, "shop_misconfigured"): "accept_xml",
    (AnswerClass.UNAUTHORISED, "not_authorised"): """
        auth_bad_jwt auth_basic auth_expired_jwt auth_no_token_refund auth_readonly_integration_creditmemo_refund
        auth_readonly_integration_order_refund""",
}
BY_NAME = {name: expected for expected, names in EXPECTED.items() for name in names.split()}

#: Texts that may be answered before anything happened, or after a whole rollback: nothing else may be REFUSED.
REFUSED_TEXTS = (
    "Creditmemo Document Validation Error(s):",
    "Decoding error.",
    "The entity that was requested doesn't exist.",
    "We found an invalid order to refund.",
    "We found an invalid quantity to refund item",
    "We cannot register an existing credit memo.",
    "The most money available to refund is",
    "Maximum shipping amount allowed to refund is",
    "You can not refund shipping if there is no shipping amount.",
    "An ID is needed. Set the ID and try again.",
    "Cannot save comment:",
    "value's type is invalid.",
    "is required. Enter and try again.",
    "Server cannot understand Content-Type HTTP header media type",
)


@dataclass(frozen=True)
class Recorded:
    """One recorded exchange with one of the four services."""

    name: str
    service: Service
    online: bool
    answer: Answer


def service_of(path: str) -> Service | None:
    path = path.rstrip("/")
    if "/async" in path:
        return None
    if path.endswith("/creditmemo/refund"):
        return REFUND
    if path.endswith("/creditmemo"):
        return SAVE
    if path.endswith("/refund"):
        return ORDER if "/order/" in path else INVOICE
    return None


def is_online(service: Service, body: object) -> bool:
    sent = body if isinstance(body, dict) else {}
    if service is INVOICE:
        return bool(sent.get("isOnline", sent.get("is_online", False)))
    return service is REFUND and not sent.get("offlineRequested", sent.get("offline_requested", False))


def exchanges(folder: str) -> Iterator[Recorded]:
    for file in sorted((DATA / folder).glob("*.json")):
        document: dict[str, Any] = json.loads(file.read_text("utf-8"))
        for number, step in enumerate(document.get("steps", [document])):
            request, response = step["request"], step["response"]
            service = service_of(request["path"]) if request["method"] == "POST" else None
            if service is None:
                continue
            content_type = response.get("headers", {}).get("content-type", "application/json; charset=utf-8")
            body = response["body"]
            text = json.dumps(body) if "json" in content_type else body
            answer = Answer(status=response["status"], content_type=content_type, text=text)
            name = document["name"] if "steps" not in document else f"{document['name']}-{number}"
            yield Recorded(name, service, is_online(service, request.get("body")), answer)


RECORDINGS = list(exchanges("recordings"))
SCENARIOS = list(exchanges("scenarios"))
EVERY = [pytest.param(recorded, id=recorded.name) for recorded in RECORDINGS + SCENARIOS]


def error(
    message: str, parameters: object = None, *, status: int = 400, retry_after_seconds: float | None = None
) -> Answer:
    body = {"message": message} | ({} if parameters is None else {"parameters": parameters})
    return Answer(
        status=status,
        content_type="application/json; charset=utf-8",
        text=json.dumps(body),
        retry_after_seconds=retry_after_seconds,
    )


def page(status: int, title: str = "Something") -> Answer:
    return Answer(
        status=status, content_type="text/html; charset=UTF-8", text=f"<html><title>{title}</title><p>%1</p></html>"
    )


def plain(status: int, text: str, content_type: str = "application/json") -> Answer:
    return Answer(status=status, content_type=content_type, text=text)


class TestRecordedAnswers:
    def test_the_recordings_are_there(self):
        assert len(RECORDINGS) > 120
        assert len(SCENARIOS) > 60

    @pytest.mark.parametrize("recorded", EVERY)
    def test_only_a_200_is_done_and_every_json_200_is(self, recorded: Recorded):
        reading = read_answer(recorded.service, recorded.answer, online=recorded.online)

        is_json_200 = recorded.answer.status == 200 and "json" in recorded.answer.content_type
        assert (reading.kind is AnswerClass.DONE) == is_json_200
        assert (reading.memo_id is not None) == is_json_200

    @pytest.mark.parametrize("recorded", EVERY)
    def test_every_other_answer_is_known_by_name(self, recorded: Recorded):
        reading = read_answer(recorded.service, recorded.answer, online=recorded.online)

        if recorded in RECORDINGS and reading.kind is not AnswerClass.DONE:
            assert (reading.kind, reading.reason) == BY_NAME[recorded.name]
        assert reading.rule not in {"no-row", "400-own-rule"}

    def test_no_expectation_is_left_over(self):
        assert set(BY_NAME) <= {recorded.name for recorded in RECORDINGS}

    @pytest.mark.parametrize("recorded", EVERY)
    def test_only_texts_of_the_contract_are_refusals(self, recorded: Recorded):
        reading = read_answer(recorded.service, recorded.answer, online=recorded.online)

        if reading.kind is AnswerClass.REFUSED:
            assert any(text in reading.message for text in REFUSED_TEXTS)
            assert recorded.answer.status in {400, 404}

    @pytest.mark.parametrize("recorded", EVERY)
    def test_an_online_call_in_doubt_is_never_sent_again(self, recorded: Recorded):
        assert read_answer(recorded.service, recorded.answer, online=True).after_absence == "refuse"

    @pytest.mark.parametrize(
        "name", ["lock_wait_timeout_order_refund", "lock_wait_timeout_invoice_refund", "db_down_refund"]
    )
    def test_an_offline_call_that_was_rolled_back_may_be_sent_again(self, name: str):
        recorded = next(recorded for recorded in RECORDINGS if recorded.name == name)

        assert read_answer(recorded.service, recorded.answer, online=False).after_absence == "resend"


class TestSuccess:
    @pytest.mark.parametrize("text", ['"15"', "15", ' "15"\n'])
    @pytest.mark.parametrize("service", [ORDER, INVOICE])
    def test_an_id_above_0_is_a_credit_memo(self, service: Service, text: str):
        reading = read_answer(service, plain(200, text), online=False)

        assert (reading.kind, reading.memo_id) == (AnswerClass.DONE, 15)

    @pytest.mark.parametrize("service", [REFUND, SAVE])
    def test_an_object_with_an_id_is_a_credit_memo(self, service: Service):
        reading = read_answer(service, plain(200, '{"entity_id": 7, "order_id": 5}'), online=False, order_id=5)

        assert (reading.kind, reading.memo_id) == (AnswerClass.DONE, 7)

    @pytest.mark.parametrize("service", list(Service))
    @pytest.mark.parametrize(
        "text",
        [
            "", "true", "false", "null", "0", '"0"', "-1", '"-3"', "1.5", '"15', "[]", "{}", '[{"entity_id": 1}]',
            '"abc"', '""', '{"entity_id": 0}', '{"entity_id": true}', '{"message": "ok"}', "NaN", "[" * 50_000,
            '"99999999999999999999999"', "<html>15</html>",
        ],
    )  # fmt: skip
    def test_a_200_with_anything_else_is_in_doubt(self, service: Service, text: str):
        assert read_answer(service, plain(200, text), online=False).kind is AnswerClass.IN_DOUBT

    @pytest.mark.parametrize("service", [ORDER, INVOICE])
    def test_the_id_in_something_that_is_not_said_to_be_json_is_in_doubt(self, service: Service):
        assert read_answer(service, plain(200, "15", "text/html"), online=False).kind is AnswerClass.IN_DOUBT

    def test_the_services_do_not_answer_in_each_others_form(self):
        assert read_answer(ORDER, plain(200, '{"entity_id": 7}'), online=False).kind is AnswerClass.IN_DOUBT
        assert read_answer(REFUND, plain(200, '"7"'), online=False).kind is AnswerClass.IN_DOUBT

    def test_a_credit_memo_of_another_order_is_in_doubt(self):
        reading = read_answer(REFUND, plain(200, '{"entity_id": 7, "order_id": 6}'), online=False, order_id=5)

        assert (reading.kind, reading.reason, reading.memo_id) == (AnswerClass.IN_DOUBT, "other_order", None)

    @pytest.mark.parametrize("status", [201, 202, 204, 206])
    def test_no_other_2xx_is_done(self, status: int):
        assert read_answer(ORDER, plain(status, '"15"'), online=False).kind is AnswerClass.IN_DOUBT


class TestAtTheDoor:
    @pytest.mark.parametrize(
        ("answer", "kind", "reason"),
        [
            (page(429), AnswerClass.THROTTLED, "rate_limited"),
            (page(503, "Error 503: Service Unavailable"), AnswerClass.THROTTLED, "maintenance"),
            (page(503, "503 Backend fetch failed"), AnswerClass.IN_DOUBT, "unavailable"),
            (plain(503, "", ""), AnswerClass.IN_DOUBT, "unavailable"),
            (error("Request does not match any route.", status=404), AnswerClass.THROTTLED, "shop_misconfigured"),
            (error("Specified request cannot be processed."), AnswerClass.THROTTLED, "shop_misconfigured"),
            (page(404), AnswerClass.THROTTLED, "shop_misconfigured"),
            (page(405), AnswerClass.THROTTLED, "shop_misconfigured"),
            (page(301), AnswerClass.THROTTLED, "shop_redirects"),
            (page(307), AnswerClass.THROTTLED, "shop_redirects"),
            (page(303), AnswerClass.IN_DOUBT, "unknown_answer"),
            (page(403), AnswerClass.UNAUTHORISED, "forbidden"),
            (page(401), AnswerClass.UNAUTHORISED, "not_authorised"),
            (page(413), AnswerClass.REFUSED, "request_not_accepted"),
            (page(400), AnswerClass.IN_DOUBT, "unknown_answer"),
            (page(500), AnswerClass.IN_DOUBT, "server_error"),
            (page(502), AnswerClass.IN_DOUBT, "bad_gateway"),
            (page(504), AnswerClass.IN_DOUBT, "bad_gateway"),
            (page(520), AnswerClass.IN_DOUBT, "server_error"),
            (page(418), AnswerClass.IN_DOUBT, "unknown_answer"),
        ],
    )
    @pytest.mark.parametrize("service", list(Service))
    def test_what_stands_before_magento_is_told_from_magento(
        self, service: Service, answer: Answer, kind: AnswerClass, reason: str
    ):
        reading = read_answer(service, answer, online=False)

        assert (reading.kind, reading.reason) == (kind, reason)

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (error("The nonce is already being used by the consumer with ID %1", ["1"]), AnswerClass.NONCE_USED),
            (error("The nonce is already being used by the consumer with ID 1"), AnswerClass.NONCE_USED),
            (error("An error occurred validating the nonce"), AnswerClass.NONCE_USED),
            (error("Die Einmalkennung wird vom Verbraucher %1 bereits verwendet", ["1"]), AnswerClass.NONCE_USED),
            (error("Es ist ein Fehler aufgetreten"), AnswerClass.NONCE_USED),
            (error("Kein Zugriff auf %resources.", {"resources": "x"}), AnswerClass.UNAUTHORISED),
            (error("The signature is invalid. Verify and try again."), AnswerClass.UNAUTHORISED),
            (error("A consumer having the specified key does not exist"), AnswerClass.UNAUTHORISED),
            (error("Unauthorized"), AnswerClass.UNAUTHORISED),
            (plain(400, '{"error": "invalid"}'), AnswerClass.UNAUTHORISED),
        ],
    )
    def test_a_401_about_a_nonce_says_that_a_call_has_arrived(self, answer: Answer, kind: AnswerClass):
        answer = Answer(status=401, content_type=answer.content_type, text=answer.text)

        assert read_answer(ORDER, answer, online=False).kind is kind

    @pytest.mark.parametrize(
        "answer",
        [
            error("Signature method %1 is not supported", ["HMAC-SHA1"]),
            error('"%fieldName" is required. Enter and try again.', {"fieldName": "oauth_nonce"}),
            error("The token length is invalid. Check the length and try again."),
        ],
    )
    def test_a_400_about_credentials_does_not_refuse_the_job(self, answer: Answer):
        assert read_answer(ORDER, answer, online=False).kind is AnswerClass.UNAUTHORISED

    def test_what_the_shop_asked_us_to_wait_is_handed_on(self):
        reading = read_answer(ORDER, error("slow down", status=429, retry_after_seconds=7.0), online=False)

        assert reading.retry_after_seconds == 7.0


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("A creditmemo can not be created when an order has a status of fraud", "order_status"),
            ("The order does not allow a creditmemo to be created.", "nothing_left"),
            ("The creditmemo contains incorrect product items.", "item_not_refundable"),
            ("The quantity to refund must not be greater than the unrefunded quantity.", "qty_too_large"),
            ('The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU "A".',
             "qty_too_large"),
            ('The creditmemo contains product SKU "A" that is not part of the original order.', "item_not_on_order"),
            ("The credit memo's total must be positive.", "total_not_positive"),
            ("You can't create a creditmemo without products.", "no_items"),
            ('The "5" product is not part of the current creditmemo.', "return_to_stock"),
            ("The shop's own rule.", "validation"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("online", [True, False])
    def test_a_validation_line_gives_its_reason(self, line: str, reason: str, *, online: bool):
        answer = error(f"Creditmemo Document Validation Error(s):\n{line}")

        reading = read_answer(INVOICE, answer, online=online)

        assert (reading.kind, reading.reason) == (AnswerClass.REFUSED, reason)

    def test_of_several_lines_the_cause_gives_the_reason(self):
        answer = error(
            "Creditmemo Document Validation Error(s):\nThe most money available to refund is 0.\n"
            "A creditmemo can not be created when an order has a status of canceled"
        )

        assert read_answer(ORDER, answer, online=False).reason == "order_status"

    @pytest.mark.parametrize(
        "answer",
        [
            error('We found an invalid quantity to refund item "%1".', ["Lab A"]),
            error('We found an invalid quantity to refund item "Lab A".'),
            error('Cannot save comment:\n"Parent Creditmemo Id" is required. Enter and try again.'),
            error('"Parent Creditmemo Id" is required. Enter and try again.'),
            error("An ID is needed. Set the ID and try again."),
            error("Lab gateway declined the refund."),
            error("If the invoice was created offline, try creating an offline credit memo."),
            error("Could not save Source Item"),
            error("Unique constraint violation found"),
            error("Anything else"),
        ],
    )
    def test_what_can_come_after_the_gateway_is_in_doubt_when_online(self, answer: Answer):
        assert read_answer(REFUND, answer, online=True).kind is AnswerClass.IN_DOUBT

    @pytest.mark.parametrize(
        "answer",
        [
            error("The most money available to refund is %1.", ["$10.00"]),
            error("We cannot register an existing credit memo."),
            error("Online refund amount must be greater than zero."),
            error("We found an invalid order to refund.", status=404),
            error('"%fieldName" is required. Enter and try again.', {"fieldName": "creditmemo"}),
        ],
    )
    def test_what_comes_before_the_gateway_is_refused_when_online(self, answer: Answer):
        assert read_answer(REFUND, answer, online=True).kind is AnswerClass.REFUSED

    @pytest.mark.parametrize("service", list(Service))
    @pytest.mark.parametrize("status", [400, 404, 409, 422])
    def test_words_that_we_do_not_know_are_in_doubt_and_a_refusal_once_absence_is_proven(
        self, service: Service, status: int
    ):
        reading = read_answer(service, error("Die Gutschrift ist nicht erlaubt", status=status), online=False)

        assert (reading.kind, reading.after_absence) == (AnswerClass.IN_DOUBT, "refuse")
        assert reading.message == "Die Gutschrift ist nicht erlaubt"

    def test_a_deadlock_that_shows_itself_may_be_sent_again_when_offline(self):
        answer = error("SQLSTATE[40001]: Serialization failure: 1213 Deadlock found")

        assert read_answer(REFUND, answer, online=False).after_absence == "resend"
        assert read_answer(REFUND, answer, online=True).after_absence == "refuse"


class TestTheTable:
    def test_every_rule_has_its_own_id_and_a_source(self):
        for table in (SENDS, LOOKUPS):
            assert len({row.rule for row in table}) == len(table)
            assert all(row.source and row.statuses for row in table)

    @pytest.mark.parametrize("status", range(100, 600))
    def test_every_status_has_an_answer_and_only_200_can_be_done(self, status: int):
        for answer in (
            page(status),
            plain(status, '"15"'),
            plain(status, '{"entity_id": 1}'),
            error("x", status=status),
        ):
            kinds = {
                read_answer(service, answer, online=online).kind for service in Service for online in (True, False)
            }
            assert kinds
            assert status == 200 or AnswerClass.DONE not in kinds

    @pytest.mark.parametrize("status", range(500, 600))
    def test_no_5xx_but_maintenance_is_ever_certain(self, status: int):
        for answer in (page(status), error("x", status=status)):
            assert read_answer(INVOICE, answer, online=True).kind is AnswerClass.IN_DOUBT


class TestLookups:
    @pytest.mark.parametrize(
        ("answer", "kind", "reason"),
        [
            (plain(200, '{"items": []}'), AnswerClass.DONE, "found"),
            (page(200), AnswerClass.NOT_SENT, "unreadable_answer"),
            (plain(200, '{"items": ['), AnswerClass.NOT_SENT, "unreadable_answer"),
            (error("The entity that was requested doesn't exist.", status=404), AnswerClass.REFUSED, "not_found"),
            (error("Request does not match any route.", status=404), AnswerClass.THROTTLED, "shop_misconfigured"),
            (page(404), AnswerClass.THROTTLED, "shop_misconfigured"),
            (page(429), AnswerClass.THROTTLED, "rate_limited"),
            (page(503, "Error 503: Service Unavailable"), AnswerClass.THROTTLED, "maintenance"),
            (page(503), AnswerClass.NOT_SENT, "server_error"),
            (page(500), AnswerClass.NOT_SENT, "server_error"),
            (error("An error occurred validating the nonce", status=401), AnswerClass.UNAUTHORISED, "nonce_error"),
            (error("No.", {"resources": "x"}, status=401), AnswerClass.UNAUTHORISED, "not_authorised"),
        ],
    )
    def test_a_look_up_is_found_not_there_or_to_be_asked_again(self, answer: Answer, kind: AnswerClass, reason: str):
        reading = read_lookup(answer)

        assert (reading.kind, reading.reason) == (kind, reason)

    @pytest.mark.parametrize("status", range(100, 600))
    def test_no_look_up_is_ever_in_doubt(self, status: int):
        for answer in (page(status), error("x", status=status)):
            assert read_lookup(answer).kind is not AnswerClass.IN_DOUBT


class TestMessages:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"message": "%1 of %2", "parameters": ["a", 2]}, "a of 2"),
            ({"message": "%name is %name2", "parameters": {"name": "x", "name2": "y"}}, "x is y"),
            ({"message": "%1 and %2", "parameters": ["%2", "b"]}, "%2 and b"),
            ({"message": "%1 %10", "parameters": [*"abcdefghij"]}, "a j"),
            ({"message": "100 % of %1"}, "100 % of %1"),
            ({"message": "Several", "errors": [{"message": "%1!", "parameters": ["one"]}, {"message": "two"}]},
             "Several one! two"),
            ({"messages": {"error": [{"code": 500, "message": "Server internal error."}]}}, "Server internal error."),
            ("<html><TITLE>502 Bad\nGateway</TITLE><p>no</p>", "502 Bad Gateway"),
            ("line\x1b[31m one\r\nline\x00 two\u202e", "line[31m one line two"),
            ({"message": "%1 %2", "parameters": [["x"], None]}, "… None"),
            (None, ""),
            (17, ""),
        ],
    )  # fmt: skip
    def test_the_words_are_filled_in_and_clean(self, body: object, words: str):
        assert render_message(body) == words

    @pytest.mark.parametrize("depth", [10, 200, 900, 100_000])
    def test_a_body_nested_like_an_attack_is_read_like_any_other(self, depth: int):
        nested = plain(400, '{"errors":' * depth + "1" + "}" * depth)
        parameters = plain(400, '{"message": "%1", "parameters": [' + "[" * depth + "]" * depth + "]}")

        for answer in (nested, parameters):
            assert read_answer(ORDER, answer, online=False).kind is AnswerClass.IN_DOUBT

    def test_a_message_is_bounded(self):
        assert len(render_message({"message": "%1", "parameters": ["x" * 100_000]})) == 1000
        assert len(render_message("y" * 100_000)) == 1000
