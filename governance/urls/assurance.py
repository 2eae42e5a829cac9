"""Addresses of the pages about assurance."""

from django.urls import URLPattern, URLResolver, path, re_path

from governance.views import audit, jobs, people, policies, tokens, verification

urlpatterns: list[URLPattern | URLResolver] = [
    path("audit/", audit.show_all, name="audit"),
    path("audit/verify", verification.show, name="audit-verify"),
    path("audit/verify/<slug:job>", verification.show_job, name="audit-verified"),
    path("audit/<int:seq>", audit.show, name="entry"),
    re_path(r"^audit/export\.(?P<form>csv|jsonl)$", audit.export, name="audit-export"),
    re_path(r"^audit/pack-(?P<form>whole|slice)\.zip$", audit.pack, name="audit-pack"),
    path("policies/", policies.show_all, name="policies"),
    path("policies/add", policies.change, name="policy-new"),
    path("policies/<slug:name>/", policies.show, name="policy"),
    path("policies/<slug:name>/change", policies.change, name="policy-change"),
    path("policies/<slug:name>/<int:version>", policies.show, name="policy-version"),
    path("people/", people.show_all, name="people"),
    path("people/add", people.add, name="person-new"),
    path("people/<slug:person>/", people.show, name="person"),
    path("people/<slug:person>/account", people.add_account, name="person-account"),
    path("people/<slug:person>/grant", people.grant, name="role-grant"),
    path("people/<slug:person>/revoke", people.revoke, name="role-revoke"),
    path("tokens/", tokens.show_all, name="tokens"),
    path("tokens/issue", tokens.issue, name="token-new"),
    path("tokens/<slug:token>/revoke", tokens.revoke, name="token-revoke"),
    path("messages/", jobs.show_messages, name="messages"),
    path("jobs/", jobs.show_all, name="jobs"),
    path("jobs/<slug:job>/", jobs.show, name="job"),
    path("jobs/<slug:job>/cancel", jobs.cancel, name="job-cancel"),
    path("jobs/<slug:job>/retry", jobs.retry, name="job-retry"),
]
