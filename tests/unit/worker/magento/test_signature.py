"""Our signatures are those of oauthlib, to the letter."""

from typing import Literal
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib import oauth1
from yarl import URL

from worker.magento.search import search_query
from worker.magento.signature import Signer

words = st.text(min_size=1, max_size=40)
ascii_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
#: oauthlib takes a query apart only where it holds nothing but characters of a form.
names = st.text("abcdefghijklmnopqrstuvwxyzABCZ_[]0189 -.~", min_size=1, max_size=20)
queries = st.lists(st.tuples(names, st.text(max_size=30)), max_size=5)
roots = st.sampled_from(
    ["https://shop.example", "http://127.0.0.1:8080", "https://SHOP.example:443", "http://shop.example:8443", "http://[::1]:99"]
)  # fmt: skip
paths = st.sampled_from(
    ["/rest/all/V1/order/7/refund", "/rest/V1/creditmemo", "/magento/rest/b2b/V1/invoice/3/refund", ""]
)


def signed_by_oauthlib(
    keys: tuple[str, str, str, str], method: Literal["GET", "POST"], url: str, nonce: str, timestamp: int
) -> str:
    client = oauth1.Client(
        keys[0],
        client_secret=keys[1],
        resource_owner_key=keys[2],
        resource_owner_secret=keys[3],
        signature_method=oauth1.SIGNATURE_HMAC_SHA256,
        nonce=nonce,
        timestamp=str(timestamp),
    )
    _, headers, _ = client.sign(url, http_method=method)
    return str(headers["Authorization"])


def signed(keys: tuple[str, str, str, str], method: str, url: str, nonce: str, timestamp: int) -> str:
    consumer_key, consumer_secret, access_token, access_secret = keys
    signer = Signer(
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        access_token=access_token,
        access_secret=access_secret,
    )
    return signer.authorization(method, URL(url, encoded=True), nonce=nonce, timestamp=timestamp)


urls = st.builds(
    lambda root, path, query: f"{root}{path}?{urlencode(query)}" if query else f"{root}{path}", roots, paths, queries
)


@settings(max_examples=300, deadline=None)
@given(
    keys=st.tuples(ascii_words, words, ascii_words, words),
    method=st.sampled_from(["GET", "POST"]),
    url=urls,
    nonce=ascii_words,
    timestamp=st.integers(1, 2**33),
)
def test_every_signature_is_that_of_oauthlib(
    keys: tuple[str, str, str, str], method: Literal["GET", "POST"], url: str, nonce: str, timestamp: int
):
    assert signed(keys, method, url, nonce, timestamp) == signed_by_oauthlib(keys, method, url, nonce, timestamp)


@given(value=st.text(max_size=40), page=st.integers(1, 100))
def test_a_search_is_signed_as_oauthlib_does(value: str, page: int):
    keys = ("consumer", "secret&1", "token", "secret=2")
    query = search_query([("customer_note", "in", f"%{value}%"), ("order_id", "eq", "7")], page_size=100, page=page)
    url = f"https://shop.example/rest/all/V1/creditmemos?{query}"
    assert signed(keys, "GET", url, "n1", 1_800_000_000) == signed_by_oauthlib(keys, "GET", url, "n1", 1_800_000_000)
