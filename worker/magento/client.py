"""One shop over HTTP: a refund call, and the look-ups around it."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp
from aiohttp import hdrs
from aiohttp.payload import BytesPayload
from yarl import URL

from worker.domain.answers import Answer
from worker.domain.errors import Unreadable
from worker.domain.request import MagentoRequest
from worker.magento.auth import Auth
from worker.magento.body import read_answer_of
from worker.magento.call import Call
from worker.magento.documents import Document, all_of, found, id_of, page_of, with_id
from worker.magento.search import Filter, search_query
from worker.magento.shop import Shop
from worker.magento.translate import translated

#: A refund is answered with a number or one credit memo.
_MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
#: A page of a hundred credit memos with all their lines.
_MAX_LOOKUP_BYTES: Final = 16 * 1024 * 1024
PAGE_SIZE: Final = 100
#: Ends a search that would never end; no order has so many credit memos.
_MAX_PAGES: Final = 200
_HEADERS: Final[dict[str, str]] = {hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: "refund-worker/1"}
_POST_HEADERS: Final[dict[str, str]] = {**_HEADERS, hdrs.CONTENT_TYPE: "application/json"}


class Magento:
    """One shop. Every method raises our errors only; a cancelled `send` counts as in doubt.

    Every look-up can raise `NotSent` (or its kind `Unreadable`), `Throttled` and `Unauthorised`: ask again later.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        auth: Auth,
        session: aiohttp.ClientSession,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the session of the process, which `worker.magento.session.open_session` made."""
        #: Requests made so far, of every kind.
        self.requests = 0
        self._root = f"{shop.base_url.rstrip('/')}/rest{f'/{shop.store_code}' if shop.store_code else ''}"
        self._timeout = aiohttp.ClientTimeout(
            total=shop.request_timeout_seconds,
            connect=shop.connect_timeout_seconds,
            sock_connect=shop.connect_timeout_seconds,
        )
        self._auth, self._session, self._clock = auth, session, clock

    async def send(
        self, request: MagentoRequest, *, nonce: str | None, idempotency_key: str, send_before: float | None = None
    ) -> Answer:
        """Make one refund call, exactly once: nothing here or below repeats it, and no redirect is followed.

        Args:
            request: What to post.
            nonce: OAuth nonce that makes Magento refuse a second copy of this send; None draws one. Only OAuth 1.0a
                can carry it.
            idempotency_key: Goes along as a header, for gateways in between; Magento does not know it.
            send_before: Monotonic time in seconds after which nothing is written any more, so that a process that was
                suspended after it recorded the send does not make it much later. None sets no limit.

        Returns:
            Whatever the shop answered in full; `read_answer` says what it means.

        Raises:
            NotSent: No byte left us: no connection, or too late.
            InDoubt: Bytes may have left, and no whole answer came back.
            Throttled: The shop did not let us sign in now; nothing was sent.
            Unauthorised: The shop refused our sign-in; nothing was sent.
        """
        call = Call(nonce=nonce, send_before=send_before, clock=self._clock)
        headers = {**_POST_HEADERS, "Idempotency-Key": idempotency_key}
        body = request.to_json()
        with translated(call, has_effect=True):
            return await self._exchange(call, hdrs.METH_POST, request.path, headers=headers, body=body)

    async def ping(self) -> None:
        """Make the smallest read that shows whether the shop works and lets us in."""
        page_of(await self._get(f"/V1/creditmemos?{search_query([('entity_id', 'gt', '0')], page_size=1, page=1)}"))

    async def order(self, order_id: int) -> Document:
        """Read an order by entity id; raises `Refused` (`not_found`) when there is none."""
        return with_id(await self._get(f"/V1/orders/{order_id:d}"), order_id)

    async def orders_by_number(self, increment_id: str) -> list[Document]:
        """Find the orders with this number; several stores of a shop can share one."""
        orders = await self._search("/V1/orders", [("increment_id", "eq", increment_id)])
        return [order for order in orders if order.get("increment_id") == increment_id]

    async def invoice(self, invoice_id: int) -> Document:
        """Read an invoice by entity id; raises `Refused` (`not_found`) when there is none."""
        return with_id(await self._get(f"/V1/invoices/{invoice_id:d}"), invoice_id)

    async def invoices_of(self, order_id: int) -> list[Document]:
        """List the invoices of an order, oldest first."""
        found_ones = await self._search("/V1/invoices", [("order_id", "eq", str(order_id))])
        return all_of(found_ones, "order_id", [order_id])

    async def creditmemos_of(self, order_id: int) -> list[Document]:
        """List the credit memos of an order, oldest first: all of them, or an error."""
        found_ones = await self._search("/V1/creditmemos", [("order_id", "eq", str(order_id))])
        return all_of(found_ones, "order_id", [order_id])

    async def creditmemos_of_orders(self, order_ids: Sequence[int]) -> list[Document]:
        """List the credit memos of up to 100 orders, oldest first: all of them, or an error.

        Raises:
            ValueError: More than 100 orders.
        """
        if len(order_ids) > PAGE_SIZE:
            raise ValueError(f"at most {PAGE_SIZE} orders in one request, not {len(order_ids)}")
        if not order_ids:
            return []
        wanted = ",".join(str(int(order_id)) for order_id in order_ids)
        return all_of(await self._search("/V1/creditmemos", [("order_id", "in", wanted)]), "order_id", order_ids)

    async def creditmemos_by_number(self, increment_id: str) -> list[Document]:
        """Find the credit memos with this number; several stores of a shop can share one.

        Magento compares without regard to case and trailing spaces.
        """
        return await self._search("/V1/creditmemos", [("increment_id", "eq", increment_id)])

    async def creditmemos_by_ids(self, ids: Sequence[int]) -> list[Document]:
        """Read up to 100 credit memos in one request; ids that do not exist are left out.

        Raises:
            ValueError: More than 100 ids.
        """
        if len(ids) > PAGE_SIZE:
            raise ValueError(f"at most {PAGE_SIZE} ids in one request, not {len(ids)}")
        if not ids:
            return []
        wanted = ",".join(str(int(memo_id)) for memo_id in ids)
        return all_of(await self._search("/V1/creditmemos", [("entity_id", "in", wanted)]), "entity_id", ids)

    async def creditmemos_after(self, memo_id: int, *, since: str | None = None) -> list[Document]:
        """Read the next up to 100 credit memos of the shop after this one, oldest first; empty at the end.

        Args:
            memo_id: Entity id to go on after; 0 begins.
            since: Only those created from then on, as Magento writes it: `YYYY-MM-DD HH:MM:SS`, UTC.
        """
        filters: list[Filter] = [("entity_id", "gt", str(memo_id))]
        if since is not None:
            filters.append(("created_at", "gteq", since))
        items, _ = page_of(await self._get(f"/V1/creditmemos?{search_query(filters, page_size=PAGE_SIZE, page=1)}"))
        return sorted((item for item in items if id_of(item) > memo_id), key=id_of)

    async def _search(self, path: str, filters: Sequence[Filter]) -> list[Document]:
        """Read all pages of a search; a list that is shorter than its count is an error, never an answer."""
        documents: dict[int, Document] = {}
        for page in range(1, _MAX_PAGES + 1):
            query = search_query(filters, page_size=PAGE_SIZE, page=page)
            items, total = page_of(await self._get(f"{path}?{query}"))
            known = len(documents)
            documents.update((id_of(item), item) for item in items)
            if len(documents) >= total:
                return list(documents.values())
            if len(documents) == known:
                break
        raise Unreadable(f"got {len(documents)} entities and no more of those counted", reason="incomplete_list")

    async def _get(self, path: str) -> Document:
        call = Call()
        with translated(call, has_effect=False):
            answer = await self._exchange(call, hdrs.METH_GET, path, headers=_HEADERS)
        return found(answer)

    async def _exchange(
        self, call: Call, method: str, path: str, *, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        self.requests += 1
        async with self._session.request(
            method,
            URL(self._root + path, encoded=True),  # as spelled: what is signed must be what is sent
            data=None if body is None else BytesPayload(body),  # spares aiohttp the search for what bytes are
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            middlewares=(self._auth.for_call(call), call.carried),
        ) as response:
            return await read_answer_of(response, max_bytes=_MAX_LOOKUP_BYTES if body is None else _MAX_ANSWER_BYTES)
