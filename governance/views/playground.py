"""The playground: one question asked of the base and of adapters, side by side. It records and keeps no text."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from adapters_core.comparison.words import Piece, differences
from adapters_core.errors import RingiError
from governance.actors import actor_of
from governance.engines.registry import CORE
from governance.forms.playground import LONGEST, PlaygroundForm
from governance.gateway.asking import PATIENCE_SECONDS, Said, put
from governance.gateway.forwarding import open_client
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.reasons import REASONS
from governance.policy.rules import who
from governance.selectors.playground_pages import MOST, SLOT, Playground, Target, playground
from governance.services import references
from governance.services.try_out import try_out
from governance.views.forbidding import forbid
from governance.views.reading import reading

UNUSABLE = 422


@dataclass(frozen=True, kw_only=True)
class Column:
    """Who was asked, and what was said."""

    target: Target | None
    """None: the bare base."""
    said: Said
    pieces: tuple[Piece, ...]
    """Against the answer of the base; the whole answer where that gave none."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The page as one person sees it."""

    found: Playground
    why_not: str
    """Why this person may not ask; empty where they may."""


@require_http_methods(["GET", "HEAD", "POST"])
async def show(request: HttpRequest) -> HttpResponse:
    """The page, and the answers to what was asked."""
    if request.method != "POST":
        return await sync_to_async(_opened)(request)
    form, seen = await sync_to_async(_checked)(request)
    columns: tuple[Column, ...] = ()
    if form is not None and form.is_valid():
        columns = await _ask(seen.found.chosen, form.cleaned_data["question"])
    return await sync_to_async(_page)(request, seen, form, columns)


def _opened(request: HttpRequest) -> HttpResponse:
    return _page(request, _seen(request, request.GET.getlist("ask") or None), None, ())


def _checked(request: HttpRequest) -> tuple[PlaygroundForm | None, _Seen]:
    """The form, once the rules have let its adapters through; None where it only searches."""
    chosen = request.POST.getlist("ask")
    first = chosen[0] if chosen else "none"
    about = references.slot(first.removeprefix(SLOT)) if first.startswith(SLOT) else references.adapter(first)
    forbid(request, Action.TRY_OUT, about)
    seen = _seen(request, chosen[: MOST + 1])
    digests = dict.fromkeys(target.row.digest for target in seen.found.chosen)
    try_out(actor_of(request), adapters=tuple(digests) or _any(seen.found))
    if request.POST.get("do") == "search":
        return None, seen
    data = request.POST.copy()
    if example := data.get("example"):
        data["question"] = example
    keys = [target.key for target in seen.found.chosen]
    data.setlist("ask", keys)  # an adapter that was named by its digest, and serves, is asked where it serves
    return PlaygroundForm(data, keys=keys), seen


def _any(found: Playground) -> tuple[str, ...]:
    """An adapter to ask the rules about, where none was chosen: who may never ask is refused all the same."""
    return tuple(target.row.digest for target in (*found.serving, *found.others))[:1]


def _seen(request: HttpRequest, chosen: Sequence[str] | None) -> _Seen:
    text = (request.POST if request.method == "POST" else request.GET).get("q", "").strip()[:200]
    with reading(request) as sight:
        found = playground(sight.reader, installation().master_key, sight.actor, chosen=chosen, text=text, at=sight.at)
        code = who(sight.actor, Action.TRY_OUT)
    return _Seen(found=found, why_not=str(REASONS[code]) if code else "")


async def _ask(targets: Sequence[Target], question: str) -> tuple[Column, ...]:
    """All of them at the same time; the base on the engine of the first."""
    engines = installation().engines
    asked: list[Target | None] = [None, *targets]
    async with open_client() as client:

        async def one(target: Target | None) -> Said:
            try:
                engine = engines[target.engine if target else targets[0].engine if targets else CORE]
            except RingiError as error:
                return Said(trouble="refused", detail=str(error))
            return await put(client, engine, target.loaded_name if target else None, question)

        said = await asyncio.gather(*(one(target) for target in asked))
    bare = said[0]
    return tuple(
        Column(target=target, said=answer, pieces=_pieces(bare, answer, first=target is None))
        for target, answer in zip(asked, said, strict=True)
    )


def _pieces(bare: Said, answer: Said, *, first: bool) -> tuple[Piece, ...]:
    if answer.trouble:
        return ()
    if first or bare.trouble:
        return (Piece(text=answer.text, kind="same"),)
    return differences(bare.text, answer.text)


def _page(request: HttpRequest, seen: _Seen, form: PlaygroundForm | None, columns: tuple[Column, ...]) -> HttpResponse:
    question = form.data.get("question", "") if form else request.POST.get("question", "")
    right = next((one.right for one in seen.found.examples if one.question == question.strip()), ())
    context = {
        "found": seen.found,
        "chosen": {target.key for target in seen.found.chosen},
        "form": form,
        "question": question,
        "columns": columns,
        "right": right if columns else (),
        "why_not": seen.why_not,
        "most": MOST,
        "longest": LONGEST,
        "patience": round(PATIENCE_SECONDS),
    }
    wrong = form is not None and not form.is_valid()
    # htmx shows what comes with success only; without a script the status says what happened.
    status = UNUSABLE if wrong and not request.headers.get("HX-Request") else 200
    return render(request, "governance/playground_page.html", context, status=status)
