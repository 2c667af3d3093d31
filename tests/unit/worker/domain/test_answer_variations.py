"""What Magento was not recorded to say: the same answers with other values, words, forms and statuses.

A refusal may never be read into an answer that could hide moved money (contract 4.4); the values in a message, which
shops and customers choose, decide nothing.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from worker.domain.answers import Answer, AnswerClass, read_answer
from worker.domain.service import Service

RECORDINGS = Path(__file__).parents[3] / "data" / "magento" / "recordings"
#: Values that a product, a customer or an attacker may bring into a message.
VALUES = ['Größe "L"', "two\nlines", "%1", "%fieldName", "x" * 300, "", "商品", "<b>bold</b>", "\\", "SQLSTATE"]
FOREIGN = [
    "Die angeforderte Entität existiert nicht.",
    "Le montant est trop élevé : 10,00 €.",
    "エラーが発生しました。",
]
#: Statuses with which Magento refuses, and those of proxies that would not take the request.
REFUSING = {400, 404, 411, 413, 414, 415, 431}


@dataclass(frozen=True)
class Recorded:
    """One recorded error, as JSON."""

    service: Service
    status: int
    body: dict[str, Any]


def recorded_errors() -> dict[str, Recorded]:
    services = {"order": Service.ORDER_REFUND, "invoice": Service.INVOICE_REFUND}
    found = {}
    for path in sorted(RECORDINGS.glob("*.json")):
        exchange = json.loads(path.read_text())
        request, response = exchange["request"], exchange["response"]
        route = re.fullmatch(r"/rest/V1/(order|invoice)/[^/]+/refund|/rest/V1/creditmemo(/refund)?", request["path"])
        if request["method"] == "POST" and route and isinstance(response["body"], dict) and response["status"] >= 400:
            given = Service.CREDITMEMO_REFUND if route[2] else Service.CREDITMEMO_SAVE
            found[path.stem] = Recorded(services.get(route[1], given), response["status"], response["body"])
    return found


ERRORS = recorded_errors()


def read(
    recorded: Recorded, body: object, *, status: int | None = None, kind: str = "application/json", online: bool = False
) -> tuple[AnswerClass, str]:
    text = json.dumps(body) if "json" in kind else str(body)
    answer = Answer(status=recorded.status if status is None else status, content_type=kind, text=text)
    reading = read_answer(recorded.service, answer, online=online)
    assert not (online and reading.after_absence == "resend")
    return reading.kind, reading.reason


def test_there_are_errors_to_vary() -> None:
    assert len(ERRORS) > 50


@pytest.mark.parametrize("name", ERRORS)
def test_the_values_in_a_message_decide_nothing(name: str) -> None:
    recorded = ERRORS[name]
    wanted = read(recorded, recorded.body)
    message, parameters = recorded.body["message"], recorded.body.get("parameters")
    for value in VALUES:
        if isinstance(parameters, list):
            assert read(recorded, {"message": message, "parameters": [value] * len(parameters)}) == wanted
        elif parameters is None and not message.startswith("Error occurred") and message.count('"') >= 2:
            before, after = re.split(r'"[^"]*"', message, maxsplit=1)
            assert read(recorded, {"message": f'{before}"{value}"{after}'}) == wanted


@pytest.mark.parametrize("name", ERRORS)
def test_words_that_we_cannot_read_are_no_refusal(name: str) -> None:
    recorded = ERRORS[name]
    for words in FOREIGN:
        assert read(recorded, recorded.body | {"message": words})[0] not in {AnswerClass.REFUSED, AnswerClass.DONE}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("kind", ["text/html", "text/plain", ""])
def test_magentos_words_on_a_page_of_someone_else_are_no_refusal(name: str, kind: str) -> None:
    recorded = ERRORS[name]
    page = f"<html><head><title>{recorded.body['message']}</title></head><body>{recorded.body['message']}</body></html>"
    for body in (page, recorded.body["message"], json.dumps(recorded.body)):
        assert read(recorded, body, kind=kind)[0] not in {AnswerClass.REFUSED, AnswerClass.DONE}


@pytest.mark.parametrize("name", ERRORS)
def test_magentos_words_under_another_status_are_no_refusal(name: str) -> None:
    recorded = ERRORS[name]
    for status in {*range(100, 600, 7), *range(400, 436), *range(500, 526), 200, 201, 204, 301, 307, 999} - REFUSING:
        for online in (False, True):
            found = read(recorded, recorded.body, status=status, online=online)[0]
            assert found not in {AnswerClass.REFUSED, AnswerClass.DONE}, status
