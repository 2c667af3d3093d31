"""A shop on a free port and a client for it, both on the loop of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from worker.sandbox.server import RunningShop, ShopSettings, start_shop


@dataclass
class Client:
    """Calls one shop with the sandbox's bearer token."""

    shop: RunningShop
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:  # noqa: ANN401
        """Give status and body, decoded where it is JSON."""
        async with self.session.request(method, self.shop.base_url + path, json=body, headers=headers) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())


@asynccontextmanager
async def a_shop(**settings: Any) -> AsyncIterator[Client]:  # noqa: ANN401
    """Start a shop and close it again."""
    shop = await start_shop(ShopSettings(**settings))
    try:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer sandbox"}) as session:
            yield Client(shop, session)
    finally:
        await shop.close()
