"""Jobs with their progress, and messages that wait to leave."""

import json
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from adapters_core.errors import IntegrityError
from adapters_core.ledger.job_queries import PAGE, job_counts
from adapters_core.ledger.outbox_queries import PAGE as MESSAGES
from adapters_core.ledger.records import parse_time, time_text
from governance.actors import actor_of
from governance.selectors import job_reads
from governance.services import retry_job as services
from governance.templatetags.assurance import TOPIC_NAMES
from governance.views.numbers import place_in
from governance.views.reading import reading


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """Jobs, newest first, and what waits in the outbox."""
    state = request.GET.get("state", "")
    states = (state,) if state in job_reads.STATES else ()
    with reading(request) as sight:
        views = job_reads.views(sight.reader, sight.actor, sight.at, states=states, before=_before(request))
        context = {
            "views": views,
            "state": state,
            "states": [(one, "finished" if one == "done" else one) for one in job_reads.STATES],
            "counts": job_counts(sight.reader),
            "waiting": job_reads.waiting(sight.reader),
        }
    asked = {"state": state} if states else {}
    last = {"before": time_text(views[-1].job.created)} if len(views) == PAGE else None
    context["first"] = f"?{urlencode(asked)}" if request.GET.get("before") else ""
    context["next"] = f"?{urlencode({**asked, **last})}" if last else ""
    return render(request, "governance/jobs_page.html", context)


@require_safe
def show_messages(request: HttpRequest) -> HttpResponse:
    """Everything that left through the outbox, newest first, with every attempt."""
    state, topic = request.GET.get("state", ""), request.GET.get("topic", "")
    states = (state,) if state in job_reads.MESSAGE_STATES else ()
    topics = (topic,) if topic in TOPIC_NAMES else ()
    with reading(request) as sight:
        rows = job_reads.messages(sight.reader, states=states, topics=topics, before=place_in(request))
    asked = {name: value for name, value in (("state", state), ("topic", topic)) if value in {*states, *topics}}
    context = {
        "rows": rows,
        "state": state,
        "topic": topic,
        "states": job_reads.MESSAGE_STATES,
        "topics": list(TOPIC_NAMES),
        "first": f"?{urlencode(asked)}" if request.GET.get("before") else "",
        "next": f"?{urlencode({**asked, 'before': rows[-1].message.message})}" if len(rows) == MESSAGES else "",
    }
    return render(request, "governance/messages_page.html", context)


@require_safe
def show(request: HttpRequest, job: str) -> HttpResponse:
    """One job; while it runs, a browser with JavaScript asks again every two seconds."""
    with reading(request) as sight:
        view = job_reads.view(sight.reader, sight.actor, sight.at, job)
    documents = {
        name: json.dumps(value, ensure_ascii=False, indent=2)
        for name, value in (("payload", view.job.payload), ("result", view.job.result))
        if value is not None
    }
    return render(request, "governance/job_page.html", {"view": view, "job": view.job, **documents})


@require_POST
def cancel(request: HttpRequest, job: str) -> HttpResponse:
    """Cancel a job."""
    services.cancel_job(actor_of(request), job=job)
    messages.success(request, _("The job was cancelled."))
    return HttpResponseRedirect(reverse("job", args=[job]))


@require_POST
def retry(request: HttpRequest, job: str) -> HttpResponse:
    """Try a job again."""
    services.retry_job(actor_of(request), job=job)
    messages.success(request, _("The job waits for a worker again."))
    return HttpResponseRedirect(reverse("job", args=[job]))


def _before(request: HttpRequest) -> datetime | None:
    try:
        return parse_time(request.GET["before"]) if request.GET.get("before") else None
    except IntegrityError:
        return None
