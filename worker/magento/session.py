"""The one HTTP session of a process, shared by all shops."""

from typing import Final

import aiohttp

from worker.magento.call import DepartingRequest

#: Idle connections are closed by us before the shop does it (Apache after 5 s, nginx after 75 s, most load balancers
#: after 60 s): a connection that is closed under a request puts that request in doubt.
KEEP_ALIVE_SECONDS: Final = 4.0
#: How long an answer of the resolver is trusted, in seconds; short, so that a failover of the shop is followed.
_DNS_SECONDS: Final = 30
_DEFAULT_LIMIT: Final = 100


def open_session(*, limit: int = _DEFAULT_LIMIT) -> aiohttp.ClientSession:
    """Open the session; the caller closes it. Must run on the loop that will use it.

    It keeps no cookies (Magento sets `PHPSESSID`, and a shared session would make calls wait for each other), reads no
    proxy or `.netrc` from the environment, and makes requests that tell when they leave us.

    Args:
        limit: Most connections at a time, over all shops.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=KEEP_ALIVE_SECONDS, ttl_dns_cache=_DNS_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=DepartingRequest,
        trust_env=False,
    )
