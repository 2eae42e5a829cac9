"""Notices: a mail to each person, and webhooks that are signed.

A notice becomes one message for each person and each webhook, so that what one of them refuses is tried again for that
one alone.

X-Ringi-Signature: t=<unix seconds>,v1=<HMAC-SHA-256 of "<seconds>." + body under the secret, hexadecimal>
"""

import hmac
import json
import time
from collections.abc import Mapping
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from adapters_core.canonical import sha256_hex
from adapters_core.errors import EngineError, EngineRefusedError
from adapters_core.ledger import outbox
from adapters_core.ledger.checkpoints import latest_checkpoint
from governance.services.note_left import note_left
from governance.worker.workplace import Workplace

NOTICE, MAIL, WEBHOOK = "notice", "mail", "webhook"
TITLES: Mapping[str, Promise] = {
    "request_waiting": pgettext_lazy("title of a mail", "A request waits for your decision"),
    "request_voided": pgettext_lazy("title of a mail", "What your request was bound to has changed: it is void"),
    "approval_lapsed": pgettext_lazy("title of a mail", "A slot serves an adapter whose approval was voided"),
    "request_decided": pgettext_lazy("title of a mail", "Your request was decided"),
    "request_commented": pgettext_lazy("title of a mail", "Somebody commented on your request"),
    "adapter_generated": pgettext_lazy("title of a mail", "Your adapter was generated"),
    "delegated": pgettext_lazy("title of a mail", "Decisions were delegated to you"),
    "role_changed": pgettext_lazy("title of a mail", "Your roles have changed"),
    "incident_closed": pgettext_lazy("title of a mail", "An incident was reviewed and closed"),
    "break_glass": pgettext_lazy("title of a mail", "Break glass: an adapter was deployed without an approval"),
}
"""Kind of a notice -> what its mail says; every kind that is sent has one."""
_TIMEOUT = 10.0
_REFUSED = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
_FOR_GOOD = 500
"""From here on an answer of a mail server says that trying again is of no use (RFC 5321, 4.2.1)."""
_PAGES = {
    "adapter": "adapters",
    "request": "requests",
    "deployment": "deployments",
    "incident": "incidents",
    "person": "people",
    "slot": "slots",
}
_LISTS = {"delegation": "delegations"}
"""Of what has no page of its own."""


def tell(at: Workplace, payload: Mapping[str, Any], *, key: str) -> str:
    """Make a message of a notice for each person and each webhook; answers how many."""
    notice = dict(payload)
    with at.ledger.write() as tx:
        for person in payload["people"]:
            outbox.send(
                tx, topic=MAIL, key=f"{key}:{person}", payload={"person": person, "notice": notice}, seq=payload["seq"]
            )
        for url in at.webhooks:
            place = sha256_hex(url.encode())[:16]
            sent = {"url": url, "notice": notice}
            outbox.send(
                tx, topic=WEBHOOK, key=f"{key}:{place}", payload=sent, lane=f"webhook:{place}", seq=payload["seq"]
            )
    return f"{len(payload['people'])} mails, {len(at.webhooks)} webhooks"


def write(payload: Mapping[str, Any], *, key: str) -> str:
    """Mail a notice to one person, where they have an address by now; answers what became of it.

    Raises:
        EngineError: the mail server gives no answer, or cannot take it now.
        EngineRefusedError: it refuses this address or this mail for good.
    """
    person = User.objects.filter(username=payload["person"], is_active=True).first()
    if person is None or not person.email:
        return "nobody has this account any more"
    title, text = letter(payload["notice"])
    # The same mail again carries the same id, by which mail programs know it.
    identity = f"<{sha256_hex(key.encode())[:32]}@{urlsplit(settings.ADDRESS).hostname}>"
    try:
        EmailMessage(title, text, None, [person.email], headers={"Message-ID": identity}).send()
    except SMTPException as error:
        code = _status(error)
        if code is not None and code >= _FOR_GOOD:
            raise EngineRefusedError(f"the mail server refused the notice: status {code}") from error
        raise EngineError(
            f"the mail server must take the notice, it did not: {type(error).__name__} {error}"
        ) from error
    except OSError as error:
        raise EngineError(f"the mail server must take the notice, it did not: {error}") from error
    return "mailed"


def call(at: Workplace, payload: Mapping[str, Any], *, key: str) -> str:
    """Call a webhook with a notice and the newest signed checkpoint, which so is kept elsewhere; answers the status.

    Raises:
        EngineError: it gives no answer, or a passing error.
        EngineRefusedError: it refuses for good.
    """
    with at.ledger.read() as db:
        newest = latest_checkpoint(db)
    stated = {**payload["notice"], "checkpoint": newest.envelope if newest else None}
    body = json.dumps(stated, ensure_ascii=False, sort_keys=True).encode()
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
    note_left(newest)
    return f"status {answer.status_code}"


def signature(secret: str, moment: int, body: bytes) -> str:
    """What a receiver compares with its own: HMAC-SHA-256 over the time and the body."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()


def letter(notice: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text of the mail, in both languages: what happened, and where to look; nothing of any content."""
    subject = notice["subject"]
    place = f"{_LISTS[subject['kind']]}/" if subject["kind"] in _LISTS else ""
    if page := _PAGES.get(subject["kind"]):
        place = f"{page}/{subject['id']}/"
    address = f"{settings.ADDRESS}/{place}"
    titles, parts = [], []
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            title, where = str(TITLES[notice["kind"]]), _("Open this page:")
            titles.append(title)
            parts.append(f"{title}\n{where}")
    text = "\n\n".join(f"{part}\n{address}" for part in parts)
    return f"[Ringi] {' / '.join(titles)}", f"{text}\n"


def _status(error: SMTPException) -> int | None:
    """What a mail server answered about this address or this mail; None for what is wrong with all of them."""
    if isinstance(error, SMTPRecipientsRefused):
        return max((code for code, _text in error.recipients.values()), default=None)
    return error.smtp_code if isinstance(error, SMTPDataError) else None
