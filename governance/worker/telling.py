"""Notices: a mail to each person, and webhooks that are signed.

X-Ringi-Signature: t=<unix seconds>,v1=<HMAC-SHA-256 of "<seconds>." + body under the secret, hexadecimal>
"""

import hmac
import json
import time
from collections.abc import Mapping
from smtplib import SMTPException
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.utils import translation
from django.utils.translation import gettext as _

from adapters_core.canonical import sha256_hex
from adapters_core.errors import EngineError, EngineRefusedError
from adapters_core.ledger import outbox
from governance.worker.workplace import Workplace

NOTICE, WEBHOOK = "notice", "webhook"
_TIMEOUT = 10.0
_REFUSED = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
_PAGES = {"adapter": "adapters", "request": "requests", "deployment": "deployments", "incident": "incidents"}


def tell(at: Workplace, payload: Mapping[str, Any], *, key: str) -> str:
    """Hand a notice on to webhooks and mail it; answers to how many people.

    Raises:
        EngineError: the mail server gives no answer.
    """
    _to_webhooks(at, payload, key)
    addresses = list(
        User.objects.filter(username__in=payload["people"], is_active=True).values_list("email", flat=True)
    )
    with translation.override(settings.LANGUAGE_CODE):
        title, text = _letter(payload)
        for address in addresses:
            try:
                send_mail(title, text, None, [address])
            except (SMTPException, OSError) as error:
                raise EngineError(f"the mail server must take the notice, it did not: {error}") from error
    return f"{len(addresses)} mails"


def call(at: Workplace, payload: Mapping[str, Any], *, key: str) -> str:
    """Call a webhook; answers the status.

    Raises:
        EngineError: it gives no answer, or a passing error.
        EngineRefusedError: it refuses for good.
    """
    body = json.dumps(payload["notice"], ensure_ascii=False, sort_keys=True).encode()
    moment = int(time.time())
    headers = {
        "content-type": "application/json",
        "idempotency-key": key,
        "x-ringi-signature": f"t={moment},v1={signature(at.webhook_secret, moment, body)}",
    }
    url = payload["url"]
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT, follow_redirects=False)
    except httpx.HTTPError as error:
        raise EngineError(f"the webhook {url} gave no answer: {type(error).__name__}") from error
    if answer.status_code in _REFUSED:
        raise EngineRefusedError(f"the webhook {url} refused: status {answer.status_code}")
    if not answer.is_success:
        raise EngineError(f"the webhook {url} failed: status {answer.status_code}")
    return f"status {answer.status_code}"


def signature(secret: str, moment: int, body: bytes) -> str:
    """What a receiver compares with its own: HMAC-SHA-256 over the time and the body."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()


def _to_webhooks(at: Workplace, payload: Mapping[str, Any], key: str) -> None:
    if not at.webhooks:
        return
    with at.ledger.write() as tx:
        for url in at.webhooks:
            place = sha256_hex(url.encode())[:16]
            sent = {"url": url, "notice": dict(payload)}
            outbox.send(tx, topic=WEBHOOK, key=f"{key}:{place}", payload=sent, lane=f"webhook:{place}")


def _letter(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text of the mail: what happened, and where to look; nothing of any content."""
    titles = {
        "request_waiting": _("A request waits for your decision"),
        "request_voided": _("What your request was bound to has changed: it is void"),
        "request_decided": _("Your request was decided"),
        "adapter_generated": _("Your adapter was generated"),
        "incident_closed": _("An incident was reviewed and closed"),
        "break_glass": _("Break glass: an adapter was deployed without an approval"),
    }
    title = titles.get(payload["kind"], _("News from Ringi"))
    subject = payload["subject"]
    page = _PAGES.get(subject["kind"])
    address = f"{settings.ADDRESS}/{page}/{subject['id']}" if page else settings.ADDRESS
    return f"[Ringi] {title}", f"{title}\n\n{address}\n"
