"""A worker's tools from the settings of this installation."""

import os
import secrets
import socket

from django.conf import settings

from adapters_core.service.client import CoreClient
from adapters_core.service.transport import Retries
from governance.installation import installation
from governance.worker.workplace import Workplace

CORE_SILENCE_SECONDS = 300.0
"""Without a sign of life from the core after which a call is given up; it sends one every 15 seconds."""


def open_workplace(name: str | None = None) -> Workplace:
    """The tools of this process.

    Raises:
        StorageError: `manage.py setup` has not made the keys.
    """
    here = installation()
    retries = Retries(tries=2, first=0.2)  # the job itself is tried again
    return Workplace(
        name=name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        ledger=here.ledger,
        master=here.master_key,
        core=CoreClient(settings.CORE_URL, token=here.core_token, timeout=CORE_SILENCE_SECONDS, retries=retries),
        engines=here.engines,
        mlflow_url=settings.MLFLOW_URL,
        answered=settings.ANSWERED_QUESTIONS,
        webhooks=tuple(settings.WEBHOOKS),
        webhook_secret=settings.WEBHOOK_SECRET,
    )
