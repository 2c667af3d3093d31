"""The sandbox shop answers every recorded scenario of a real Magento as Magento did."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from worker.sandbox.server import ShopSettings, start_shop

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[1] / "data" / "magento"
#: Recordings of things that the sandbox does not have (asynchronous calls, a broken database), or that hide the token.
NOT_PLAYED = ("async", "auth_admin", "auth_oauth", "db_down", "fatal", "fpm", "lock_wait", "maintenance", "seed_")


async def test_every_scenario_passes() -> None:
    shop = await start_shop(ShopSettings())
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(DATA / "conform.py"), shop.base_url, str(DATA / "scenarios"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    finally:
        await shop.close()
    assert output.decode().rstrip().endswith("73 passed, 0 failed"), output.decode()


def _errors_without_state() -> list[str]:
    """Name the recorded errors that an empty shop must give too: all but those about an entity."""
    names = []
    for path in sorted((DATA / "recordings").glob("*.json")):
        recording = json.loads(path.read_text())
        text = json.dumps(recording["response"]["body"])
        is_stateful = recording.get("observed_after") is not None or re.search(r"creditmemo\\nT|Validation", text)
        if recording["response"]["status"] >= 400 and not is_stateful and not path.stem.startswith(NOT_PLAYED):
            names.append(path.stem)
    return names


#: Errors about documents that the recording does not hold.
NEED_DOCUMENTS = {
    "invoice_refund_second_shipping_more_than_left",
    "order_refund_closed_order_partial",
    "order_refund_not_invoiced_partial",
    "order_refund_shipping_more_than_left",
}


@pytest.mark.parametrize("name", [name for name in _errors_without_state() if name not in NEED_DOCUMENTS])
async def test_a_recorded_error_is_given_by_an_empty_shop(name: str) -> None:
    recording = json.loads((DATA / "recordings" / f"{name}.json").read_text())
    shop = await start_shop(ShopSettings())
    try:
        status, body = await _replayed(shop.base_url, recording)
    finally:
        await shop.close()
    assert status == recording["response"]["status"]
    assert _shape(body) == _shape(recording["response"]["body"])


async def _replayed(base_url: str, recording: dict[str, Any]) -> tuple[int, Any]:
    request, wanted = recording["request"], recording["response"]
    headers = {key: value for key, value in request["headers"].items() if key not in {"Host", "Content-Length"}}
    if headers.get("Authorization") == "Bearer <token>" and wanted["status"] != 401:
        headers["Authorization"] = "Bearer sandbox"
    given = request.get("raw_body") or request.get("body")
    data = given if isinstance(given, str) or given is None else json.dumps(given)
    if data:
        headers.setdefault("Content-Type", "application/json")
    async with (
        aiohttp.ClientSession() as session,
        session.request(request["method"], base_url + request["path"], data=data, headers=headers) as answer,
    ):
        text = await answer.text()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def _shape(body: object) -> object:
    """Blot out report ids, and compare pages by their title."""
    if isinstance(body, dict):
        return {key: _shape(value) for key, value in body.items()}
    text = re.sub(r"webapi-[0-9a-f]+", "webapi-*", body) if isinstance(body, str) else body
    title = re.search(r"<title>.*</title>", text) if isinstance(text, str) else None
    return title.group() if title else text
