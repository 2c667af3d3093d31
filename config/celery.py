"""Celery settings as a mapping; every line that is not Celery's default says why.

Four more choices exist only as flags of `celery worker`; the Procfile and `refunds worker` give them:

- `--without-gossip --without-mingle --without-heartbeat`: workers have nothing to tell each other (6 % of throughput);
- no `-E`: task events cost a third of the throughput, and we count for ourselves.
"""

import ssl
from typing import Final
from urllib.parse import parse_qs, urlsplit

from config.queues import WORKER_QUEUES, Queue, TaskName
from config.settings import Settings

#: After how long Kombu gives an unacknowledged message to another worker, in seconds, from delivery. Celery's default,
#: written out: a chunk must never take longer (it would run twice at once), and recovery of lost work does not wait
#: for it, because upkeep publishes again what has no live holder.
VISIBILITY_TIMEOUT_SECONDS: Final = 3600

#: How often an idle broker connection is checked, in seconds; Kombu's default, below the 60 s after which many
#: balancers cut it. A half-open connection is noticed within twice this time.
HEALTH_CHECK_SECONDS: Final = 25

#: How long Kombu's blocking read of the queues may be silent, in seconds; not a fault, so it is added to the timeout.
BLOCKING_READ_SECONDS: Final = 1


def celery_settings(settings: Settings) -> dict[str, object]:
    """Give what `app.conf.update(...)` takes."""
    mapping: dict[str, object] = {
        # Broker
        "broker_url": _broker_url(settings.broker_url),
        "broker_connection_retry_on_startup": True,  # a worker may be started before Redis is
        "broker_connection_max_retries": None,  # for ever; the default ends the worker after a long Redis outage
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            "socket_keepalive": True,  # notices a peer that vanished without closing
            "socket_timeout": settings.redis_timeout_seconds + BLOCKING_READ_SECONDS,  # or a publish hangs for ever
            "socket_connect_timeout": settings.redis_timeout_seconds,
            "health_check_interval": HEALTH_CHECK_SECONDS,  # 0 costs a tenth of the throughput: it pings every time
        },
        # Messages: JSON only, both ways. Pickle would run code of whoever can write to Redis.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # Results: the ledger knows how every job ended; a second, expiring truth would only disagree with it.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # Events: see the module docstring.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # Queues
        "task_default_queue": Queue.SUBMIT.value,  # of what *we* send without a queue; a mistake ends where it is read
        "task_routes": {
            TaskName.REFUND.value: {"queue": Queue.EXPRESS.value},  # campaigns name the bulk lane when they send
            TaskName.SUBMIT.value: {"queue": Queue.SUBMIT.value},
        },
        "task_queues": None,  # made by name on first use; which ones a worker reads is on its command line
        # Delivery
        "task_acks_late": True,  # a message goes away when its keys are settled or scheduled, not when it is read
        "task_acks_on_failure_or_timeout": True,  # upkeep, not the broker, brings back what a failed task held
        "task_reject_on_worker_lost": False,  # else a message that kills its worker comes back at once, for ever
        "worker_prefetch_multiplier": 1,  # what a worker holds unread is stuck for the visibility timeout if it dies
        # Execution
        "worker_consumer": "worker.consumer:ReconnectingConsumer",  # survives a killed Redis; see there
        "worker_pool": "threads",  # one process, one event loop: 98 % of a bare loop; processes share no session
        "worker_concurrency": settings.worker_threads,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # a cancelled call is a job in doubt
        "worker_enable_remote_control": True,  # default, kept: `celery inspect` is how ops see a running worker
        # Shutdown: SIGTERM lets running tasks finish; threads cannot be stopped half-way.
        "worker_soft_shutdown_timeout": settings.shutdown_grace_seconds,  # SIGQUIT waits as well before it gives up
        "worker_enable_soft_shutdown_on_idle": False,
        # Logging
        "worker_hijack_root_logger": False,  # config/logging.py owns the root logger
        "worker_redirect_stdouts": False,  # or a print() of a library becomes a warning in our log
    }
    if urlsplit(settings.broker_url).scheme == "rediss":
        mapping["broker_use_ssl"] = {"ssl_cert_reqs": ssl.CERT_REQUIRED}  # Kombu ignores the scheme without it
    return mapping


def worker_flags() -> list[str]:
    """Give the arguments of `celery worker` that no setting can express, as `refunds worker` and the Procfile use."""
    queues = ",".join(WORKER_QUEUES)
    return [
        "--pool=threads",
        f"--queues={queues}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=WARNING",
    ]


def _broker_url(url: str) -> str:
    """Spell a Unix socket as Kombu does; redis-py says `unix:///path?db=1`, Kombu `redis+socket:///path?virtual_host=1`."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return str(url)
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"
