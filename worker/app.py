"""The Celery application and its process signals. `celery -A worker.app:app worker ...`, or `refunds worker`."""

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

from celery import Celery
from celery.bin.base import CLIContext
from celery.bin.worker import worker
from celery.signals import celeryd_init, setup_logging, worker_ready, worker_shutdown, worker_shutting_down

from config.celery import celery_settings
from config.logging import configure_logging
from config.sentry import init_sentry
from config.settings import Settings, SettingsError
from worker import metrics
from worker.domain.errors import RefundError
from worker.enqueue import Enqueue
from worker.garbage import collect_less_often
from worker.runtime import Runtime

_TASKS: Final = ("tasks.refund", "tasks.submit")
_lock = threading.Lock()
_runtimes: dict[int, Runtime] = {}


class RefundApp(Celery):
    """Celery with our settings at hand."""

    settings: Settings

    def run_worker(self, flags: Sequence[str]) -> None:
        """Be a worker until told to stop; the flags are those of `celery worker`.

        Not by `worker_main`: it loads all commands of Celery and a shell for them, 9 MB that stay.
        """
        context = CLIContext(self, no_color=False, workdir=None, quiet=True)
        worker.main(args=list(flags), obj=context, standalone_mode=False)


def make_app(settings: Settings) -> RefundApp:
    """Make the Celery application of these settings."""
    made = RefundApp("refunds", include=list(_TASKS), set_as_current=False)
    made.conf.update(celery_settings(settings))
    made.settings = settings
    return made


def runtime() -> Runtime:
    """Give this process's runtime; built on first use."""
    with _lock:
        current = _runtimes.get(os.getpid())
        if current is None:
            publish = Enqueue(app)
            current = _runtimes[os.getpid()] = Runtime(app.settings, publish, with_upkeep=app.settings.upkeep_in_worker)
        return current


def _settings() -> Settings:
    try:
        return Settings.from_environ()
    except SettingsError as error:
        sys.exit(f"refunds: {error}")


app = make_app(_settings())


@setup_logging.connect
def _setup_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    configure_logging(app.settings)


@celeryd_init.connect
def _watch_errors(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    init_sentry(app.settings, expected=(RefundError,))


@worker_ready.connect
def _start(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    runtime()
    metrics.serve(app.settings.metrics_address)
    collect_less_often()


@worker_shutting_down.connect
def _drain(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    if current := _runtimes.get(os.getpid()):
        current.drain()


@worker_shutdown.connect
def _stop(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    if current := _runtimes.pop(os.getpid(), None):
        current.close()
