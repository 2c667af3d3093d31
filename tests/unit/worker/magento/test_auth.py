"""Credentials: what is signed, what is hidden, and when an admin user signs in again."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Self, cast
from urllib.parse import parse_qsl, quote, unquote

import pytest
from aiohttp import ClientRequest, ClientResponse
from multidict import CIMultiDict
from pydantic import SecretStr
from yarl import URL

from worker.domain.errors import NotSent, RefundError, Throttled, Unauthorised
from worker.magento.auth import AdminToken, Auth, Bearer, OAuth1
from worker.magento.call import Call
from worker.magento.search import search_query

NOW = 1_800_000_000.0


def oauth1() -> OAuth1:
    return OAuth1(
        consumer_key=SecretStr("ck" * 16),
        consumer_secret=SecretStr("cs" * 16),
        access_token=SecretStr("at" * 16),
        access_secret=SecretStr("as" * 16),
        clock=lambda: NOW,
    )


class FakeBody:
    """An answer's body, as aiohttp streams it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


class FakeAnswer:
    """As much of a `ClientResponse` as the code under test touches."""

    def __init__(self, status: int, body: object = "") -> None:
        self.status = status
        self.headers = {"Content-Type": "application/json"}
        self.content = FakeBody(json.dumps(body).encode())
        self.released = False

    def release(self) -> None:
        self.released = True

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class FakeSession:
    """A session that answers sign-ins one after the other; the last answer stays."""

    def __init__(self, *answers: FakeAnswer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, object]]] = []

    def post(self, url: str, **options: object) -> FakeAnswer:
        self.calls.append((url, options))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class FakeRequest:
    """As much of a `ClientRequest` as the middlewares touch."""

    def __init__(
        self,
        method: str = "POST",
        url: str = "https://shop.example/rest/V1/creditmemo",
        session: FakeSession | None = None,
    ) -> None:
        self.method, self.url, self.session = method, URL(url, encoded=True), session
        self.headers: CIMultiDict[str] = CIMultiDict()


async def let_in(
    auth: Auth, request: FakeRequest, *, call: Call | None = None, answers: list[int] | None = None
) -> tuple[list[str], FakeAnswer]:
    """Run a request through its middleware; gives the Authorization headers that were sent and the last answer."""
    sent: list[str] = []
    statuses = list(answers or [200])

    async def handler(handled: ClientRequest) -> ClientResponse:
        sent.append(handled.headers["Authorization"])
        return cast("ClientResponse", FakeAnswer(statuses.pop(0) if len(statuses) > 1 else statuses[0]))

    answer = await auth.for_call(call or Call())(cast("ClientRequest", request), handler)
    return sent, cast("FakeAnswer", answer)


def expected_signature(method: str, url: str, parameters: dict[str, str]) -> str:
    """Compute the signature as RFC 5849 says, without the library that made the other one."""
    base_url, _, query = url.partition("?")
    signed = [
        *parse_qsl(query, keep_blank_values=True),
        *((k, v) for k, v in parameters.items() if k != "oauth_signature"),
    ]
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in signed)
    normal = "&".join(f"{name}={value}" for name, value in encoded)
    text = "&".join(quote(part, safe="~") for part in (method, base_url, normal))
    key = f"{'cs' * 16}&{'as' * 16}"
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def parameters_of(header: str) -> dict[str, str]:
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


class TestOAuth1:
    async def test_the_nonce_of_the_call_and_the_present_time_are_signed(self):
        sent, _ = await let_in(oauth1(), FakeRequest(), call=Call(nonce="a" * 32))

        parameters = parameters_of(sent[0])
        assert parameters["oauth_nonce"] == "a" * 32
        assert parameters["oauth_timestamp"] == "1800000000"
        assert parameters["oauth_signature_method"] == "HMAC-SHA256"
        assert parameters["oauth_signature"] == expected_signature("POST", str(FakeRequest().url), parameters)

    async def test_without_a_nonce_each_call_draws_its_own(self):
        nonces = {parameters_of((await let_in(oauth1(), FakeRequest()))[0][0])["oauth_nonce"] for _ in range(20)}

        assert len(nonces) == 20
        assert all(re.fullmatch(r"[0-9a-f]{32}", nonce) for nonce in nonces)

    @pytest.mark.parametrize("value", ["%ref key-1%", "a b+c&d=e", "100%25", "é/[x]", "a~b", "", "'();*!"])
    async def test_a_query_is_signed_exactly_as_it_is_spelled(self, value: str):
        query = search_query([("customer_note", "in", value)], page_size=1, page=1)
        url = f"https://shop.example/rest/V1/creditmemos?{query}"

        sent, _ = await let_in(oauth1(), FakeRequest("GET", url))

        parameters = parameters_of(sent[0])
        assert parameters["oauth_signature"] == expected_signature("GET", url, parameters)

    def test_no_secret_is_ever_shown(self):
        bearer, admin = (
            Bearer(token=SecretStr("tok-tok")),
            AdminToken(base_url="", username="u", password=SecretStr("pw-pw")),
        )

        for shown in (repr(oauth1()), repr(bearer), repr(admin)):
            assert not re.search("ckck|cscs|atat|asas|tok-tok|pw-pw", shown)


class TestBearer:
    async def test_the_token_goes_along(self):
        sent, _ = await let_in(Bearer(token=SecretStr("tok")), FakeRequest())

        assert sent == ["Bearer tok"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admin(clock: Clock) -> AdminToken:
    return AdminToken(base_url="https://shop.example/", username="ann", password=SecretStr("p"), clock=clock)


class TestAdminToken:
    async def test_many_calls_share_one_sign_in(self, admin: AdminToken):
        session = FakeSession(FakeAnswer(200, "t1"))

        done = await asyncio.gather(*(let_in(admin, FakeRequest(session=session)) for _ in range(10)))

        assert [sent for sent, _ in done] == [["Bearer t1"]] * 10
        [(url, options)] = session.calls
        assert url == "https://shop.example/rest/V1/integration/admin/token"
        assert json.loads(cast("bytes", options["data"])) == {"username": "ann", "password": "p"}
        assert options["allow_redirects"] is False

    async def test_an_old_token_is_renewed_once_on_a_401_and_the_request_repeated(
        self, admin: AdminToken, clock: Clock
    ):
        session = FakeSession(FakeAnswer(200, "t1"), FakeAnswer(200, "t2"))
        await let_in(admin, FakeRequest(session=session))
        clock.now = 3600

        sent, answer = await let_in(admin, FakeRequest(session=session), answers=[401, 200])

        assert sent == ["Bearer t1", "Bearer t2"]
        assert answer.status == 200

    async def test_a_second_401_is_the_answer(self, admin: AdminToken, clock: Clock):
        session = FakeSession(FakeAnswer(200, "t1"), FakeAnswer(200, "t2"))
        await let_in(admin, FakeRequest(session=session))
        clock.now = 3600

        sent, answer = await let_in(admin, FakeRequest(session=session), answers=[401])

        assert len(sent) == 2
        assert answer.status == 401

    async def test_a_401_for_a_fresh_token_is_about_permissions_and_asks_for_no_new_one(self, admin: AdminToken):
        session = FakeSession(FakeAnswer(200, "t1"))

        sent, answer = await let_in(admin, FakeRequest(session=session), answers=[401])

        assert (len(sent), answer.status, len(session.calls)) == (1, 401, 1)

    async def test_many_401s_at_once_share_one_renewal(self, admin: AdminToken, clock: Clock):
        session = FakeSession(FakeAnswer(200, "t1"), FakeAnswer(200, "t2"))
        await let_in(admin, FakeRequest(session=session))
        clock.now = 3600

        await asyncio.gather(*(let_in(admin, FakeRequest(session=session), answers=[401, 200]) for _ in range(5)))

        assert len(session.calls) == 2

    async def test_a_401_says_that_the_request_did_not_arrive_while_a_new_token_is_fetched(
        self, admin: AdminToken, clock: Clock
    ):
        session = FakeSession(FakeAnswer(200, "t1"), FakeAnswer(500))
        await let_in(admin, FakeRequest(session=session))
        clock.now = 3600
        call = Call()
        call.leave()

        with pytest.raises(NotSent):
            await let_in(admin, FakeRequest(session=session), call=call, answers=[401])

        assert not call.may_have_left

    async def test_after_a_refused_sign_in_nobody_tries_again_for_a_while(self, admin: AdminToken, clock: Clock):
        session = FakeSession(FakeAnswer(401, {"message": "The account sign-in was incorrect."}), FakeAnswer(200, "t1"))
        for _ in range(10):
            with pytest.raises(Unauthorised, match="sign-in was incorrect"):
                await let_in(admin, FakeRequest(session=session))
        assert len(session.calls) == 1

        clock.now = 601
        sent, _ = await let_in(admin, FakeRequest(session=session))

        assert sent == ["Bearer t1"]

    @pytest.mark.parametrize(
        ("answer", "error", "reason"),
        [
            (FakeAnswer(400, {"message": "Please use the 2fa provider-specific endpoints to obtain a token."}),
             Unauthorised, "two_factor_required"),
            (FakeAnswer(400, {"message": "You are required to configure personal Two-Factor Authorization."}),
             Unauthorised, "two_factor_required"),
            (FakeAnswer(404, {"message": "Request does not match any route."}), Throttled, "shop_misconfigured"),
            (FakeAnswer(429, {}), Throttled, "rate_limited"),
            (FakeAnswer(500, {}), NotSent, "sign_in_failed"),
            (FakeAnswer(200, {"token": "x"}), NotSent, "sign_in_failed"),
            (FakeAnswer(302, ""), Throttled, "shop_redirects"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )  # fmt: skip
    async def test_a_failed_sign_in_says_why(
        self, admin: AdminToken, answer: FakeAnswer, error: type[RefundError], reason: str
    ):
        with pytest.raises(error) as caught:
            await let_in(admin, FakeRequest(session=FakeSession(answer)))

        assert caught.value.reason == reason


class TestCall:
    @pytest.mark.parametrize(("now", "leaves"), [(9.9, True), (10.0, False), (99.0, False)])
    def test_nothing_leaves_after_its_deadline(self, now: float, *, leaves: bool):
        clock: Callable[[], float] = lambda: now  # noqa: E731
        call = Call(send_before=10.0, clock=clock)

        if leaves:
            call.leave()
        else:
            with pytest.raises(NotSent, match="too_late"):
                call.leave()

        assert call.may_have_left is leaves
