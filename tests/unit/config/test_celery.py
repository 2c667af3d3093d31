import ssl

from celery.app.defaults import DEFAULTS

from config.celery import celery_settings, worker_flags
from config.queues import WORKER_QUEUES, Queue
from config.settings import Settings


def test_celery_knows_every_setting():
    """Celery takes an unknown name without a word."""
    assert celery_settings(Settings()).keys() <= set(DEFAULTS)


def test_only_json_is_accepted():
    assert celery_settings(Settings())["accept_content"] == ["json"]


def test_a_redis_over_tls_is_verified():
    mapping = celery_settings(Settings.from_environ({"REFUNDS_REDIS_URL": "rediss://redis.example/0"}))
    assert mapping["broker_use_ssl"] == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


def test_a_unix_socket_is_spelled_as_kombu_spells_it():
    mapping = celery_settings(Settings.from_environ({"REFUNDS_BROKER_URL": "unix:///run/redis.sock?db=2"}))
    assert mapping["broker_url"] == "redis+socket:///run/redis.sock?virtual_host=2"


def test_a_worker_reads_every_queue():
    assert set(WORKER_QUEUES) == set(Queue)
    assert f"--queues={','.join(WORKER_QUEUES)}" in worker_flags()
