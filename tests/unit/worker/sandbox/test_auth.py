"""OAuth as Magento checks it: signed with oauthlib, refused in Magento's words."""

import re
import time

import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, Client

from worker.sandbox.auth import ACCESS_SECRET, ACCESS_TOKEN, CONSUMER_KEY, CONSUMER_SECRET, Gatekeeper, Keys
from worker.sandbox.errors import ShopError

URL = "http://127.0.0.1:8000/rest/V1/orders?searchCriteria%5BpageSize%5D=1&fields=items%5Bentity_id%5D"


def a_gatekeeper() -> Gatekeeper:
    return Gatekeeper({"sandbox"}, Keys(), ("admin", "sandbox"))


def a_header(url: str = URL, **given: str) -> str:
    client = Client(
        given.get("key", CONSUMER_KEY),
        given.get("secret", CONSUMER_SECRET),
        given.get("token", ACCESS_TOKEN),
        given.get("token_secret", ACCESS_SECRET),
        signature_method=given.get("method", SIGNATURE_HMAC_SHA256),
        nonce=given.get("nonce"),
        timestamp=given.get("timestamp"),
    )
    _, headers, _ = client.sign(url)
    return str(headers["Authorization"])


def refusal(gatekeeper: Gatekeeper, header: str) -> tuple[int, str]:
    with pytest.raises(ShopError) as caught:
        gatekeeper.admit(header, "GET", URL, "Magento_Sales::actions_view")
    assert isinstance(caught.value.body, dict)
    return caught.value.status, caught.value.body["message"]


def test_a_signed_request_is_let_in_and_gives_its_nonce() -> None:
    nonce = "a" * 32
    assert a_gatekeeper().admit(a_header(nonce=nonce), "GET", URL, "x") == nonce


def test_a_nonce_is_good_once_even_when_the_signature_is_wrong() -> None:
    gatekeeper = a_gatekeeper()
    assert refusal(gatekeeper, a_header(nonce="n" * 32, secret="0" * 32))[1].startswith("The signature is invalid")
    assert refusal(gatekeeper, a_header(nonce="n" * 32)) == (
        401,
        "The nonce is already being used by the consumer with ID %1",
    )


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        pytest.param({"key": "0" * 32}, 401, "A consumer having the specified key does not exist", id="consumer"),
        pytest.param({"token": "0" * 32}, 401, "Specified token does not exist", id="token"),
        pytest.param({"method": SIGNATURE_HMAC_SHA1}, 400, "Signature method %1 is not supported", id="SHA1"),
        pytest.param({"timestamp": "0"}, 401, "An error occurred validating the nonce", id="no time"),
        pytest.param({"timestamp": "99999999999"}, 401, "An error occurred validating the nonce", id="future"),
    ],
)
def test_refusals(given: dict[str, str], status: int, message: str) -> None:
    assert refusal(a_gatekeeper(), a_header(**given)) == (status, message)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("oauth_token", 400, "The token length is invalid. Check the length and try again."),
        ("oauth_signature_method", 400, "Signature method %1 is not supported"),
        ("oauth_consumer_key", 401, "Consumer key is not the correct length"),
        ("oauth_timestamp", 401, "An error occurred validating the nonce"),
        ("oauth_signature", 401, "The signature is invalid. Verify and try again."),
    ],
)
def test_an_empty_parameter_is_not_a_missing_one(name: str, status: int, message: str) -> None:
    """Oauth::_checkRequiredParams asks with isset; what comes after it looks at the value."""
    header = a_header()
    assert refusal(a_gatekeeper(), re.sub(f'{name}="[^"]*"', f'{name}=""', header)) == (status, message)
    assert refusal(a_gatekeeper(), re.sub(f'{name}="[^"]*",? ?', "", header))[1].startswith('"%fieldName" is required')


def test_an_old_timestamp_is_let_in() -> None:
    assert a_gatekeeper().admit(a_header(timestamp=str(int(time.time()) - 90_000)), "GET", URL, "x")


def test_tokens_are_revoked_and_expire() -> None:
    gatekeeper = a_gatekeeper()
    gatekeeper.admin_seconds = -1.0
    expired = gatekeeper.admin_token("admin", "sandbox")
    assert refusal(gatekeeper, f"Bearer {expired}")[0] == 401
    assert gatekeeper.admit("Bearer sandbox", "GET", URL, "x") is None
    gatekeeper.revoke("sandbox")
    assert refusal(gatekeeper, "Bearer sandbox")[0] == 401


def test_six_failed_sign_ins_lock_the_name_for_half_an_hour() -> None:
    """Contract 6.1: the same answer, even with the right password."""
    now = [0.0]
    gatekeeper = Gatekeeper({"sandbox"}, Keys(), ("admin", "sandbox"), clock=lambda: now[0])
    for _ in range(6):
        with pytest.raises(ShopError) as caught:
            gatekeeper.admin_token("admin", "wrong")
        assert caught.value.status == 401
    with pytest.raises(ShopError):
        gatekeeper.admin_token("admin", "sandbox")
    now[0] = 1800.0
    assert gatekeeper.admin_token("admin", "sandbox")


def test_a_successful_sign_in_forgets_the_failures() -> None:
    gatekeeper = a_gatekeeper()
    for password in ("wrong", "wrong", "wrong", "sandbox", "wrong", "wrong", "wrong", "sandbox"):
        if password == "sandbox":
            assert gatekeeper.admin_token("admin", password)
        else:
            with pytest.raises(ShopError):
                gatekeeper.admin_token("admin", password)
