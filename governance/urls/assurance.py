"""Addresses of the pages about assurance."""

from django.urls import URLPattern, URLResolver, path, re_path

from governance.views import audit, verification

urlpatterns: list[URLPattern | URLResolver] = [
    path("audit/", audit.show_all, name="audit"),
    path("audit/verify", verification.show, name="audit-verify"),
    path("audit/<int:seq>", audit.show, name="entry"),
    re_path(r"^audit/export\.(?P<form>csv|jsonl)$", audit.export, name="audit-export"),
    re_path(r"^audit/pack-(?P<form>whole|slice)\.zip$", audit.pack, name="audit-pack"),
]
