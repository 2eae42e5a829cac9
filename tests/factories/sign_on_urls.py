"""The web half's addresses with those of an OpenID Connect provider, as where OIDC_ISSUER is set."""

from allauth.socialaccount.providers.openid_connect.urls import urlpatterns as of_provider
from django.urls import include, path

from governance.urls.root import handler400, handler403, handler404, handler500
from governance.urls.root import urlpatterns as of_root

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*of_root, path("accounts/", include(of_provider))]
