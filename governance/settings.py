"""Django's settings. What differs between installations comes from the environment (environment.py)."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from adapters_core.errors import ConfigError
from governance.environment import database_settings, read_environment

BASE_DIR = Path(__file__).resolve().parents[1]
ENVIRONMENT = read_environment(os.environ, root=BASE_DIR)

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
ROOT_URLCONF = "governance.urls.root"
WSGI_APPLICATION = "governance.wsgi.application"
ASGI_APPLICATION = "governance.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ------------------------------------------------------------------------------------------------------------ databases
# People and sessions only. The ledger has a database, a driver and migrations of its own, and no transaction spans
# both; so a request is no transaction either.
DATABASES = {"default": {**database_settings(ENVIRONMENT.database_url), "ATOMIC_REQUESTS": False}}
# Shared by every process, so that the lock on guessing counts them together and outlives a restart.
# Wrong passwords are counted in it, used codes and sent forms remembered. A full cache forgets: its default are 300.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    }
}

VAR = ENVIRONMENT.var
LEDGER_URL = ENVIRONMENT.ledger_url
CORE_URL = ENVIRONMENT.core_url
CORE_TOKEN = ENVIRONMENT.core_token
ENGINES = dict(ENVIRONMENT.engines)
ENGINE_TOKENS = dict(ENVIRONMENT.engine_tokens)
ANSWERED_QUESTIONS = ENVIRONMENT.answered_questions
VERIFY_AT_ONCE = ENVIRONMENT.verify_at_once
MLFLOW_URL = ENVIRONMENT.mlflow_url
WEBHOOKS = ENVIRONMENT.webhooks
WEBHOOK_SECRET = ENVIRONMENT.webhook_secret
ADDRESS = ENVIRONMENT.address

# ----------------------------------------------------------------------------------------------------------------- apps
INSTALLED_APPS = [
    "governance",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.forms",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    *(["allauth.socialaccount.providers.openid_connect"] if ENVIRONMENT.sign_on else []),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "governance.middleware.BodySizeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "governance.middleware.LanguageMiddleware",
    "governance.middleware.TimeZoneMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "governance.middleware.FirstPasswordMiddleware",
    "governance.middleware.SecondFactorsMiddleware",
    "governance.middleware.PrivatePagesMiddleware",
    "governance.middleware.ErrorPagesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "governance.page.page",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "governance.templatetags.ringi"],
        },
    }
]
FORM_RENDERER = "governance.forms.renderer.Renderer"

# -------------------------------------------------------------------------------------------------- language and time
LANGUAGE_CODE = "ja"
LANGUAGES = [("ja", _("Japanese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "governance" / "locale"]
LANGUAGE_COOKIE_NAME = "ringi_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = not DEBUG
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENVIRONMENT.time_zone

# --------------------------------------------------------------------------------------------------------- static files
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# -------------------------------------------------------------------------------------------------------------- sign-in
# A person's name towards the ledger is the uuid in User.username; they sign in with their mail address.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "governance.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Five wrong passwords for one address lock it for fifteen minutes, wherever they come from.
ACCOUNT_RATE_LIMITS = {"login_failed": "20/m/ip,5/15m/key", "reauthenticate": "5/15m/user"}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if ENVIRONMENT.trust_proxy else 0
SOCIALACCOUNT_ADAPTER = "governance.accounts.SignOnAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_PROVIDERS = (
    {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "sign-on",
                    "name": ENVIRONMENT.sign_on.name,
                    "client_id": ENVIRONMENT.sign_on.client_id,
                    "secret": ENVIRONMENT.sign_on.client_secret,
                    "settings": {"server_url": ENVIRONMENT.sign_on.issuer},
                }
            ],
        }
    }
    if ENVIRONMENT.sign_on
    else {}
)
SIGN_WITH_SECOND_FACTOR = ENVIRONMENT.sign_with_second_factor
MFA_ADAPTER = "governance.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Ringi"
# Browsers allow passkeys without TLS on localhost only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG

# ------------------------------------------------------------------------------------------------------------- security
SESSION_COOKIE_NAME = "ringi_session" if DEBUG else "__Host-ringi_session"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "ringi_csrf" if DEBUG else "__Host-ringi_csrf"
CSRF_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "governance.views.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [] if DEBUG else [ENVIRONMENT.address]
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.trust_proxy else None
X_FRAME_OPTIONS = "DENY"
# A browser follows the redirect to the identity provider out of a form: its origin counts as a target of the form.
_IDENTITY_PROVIDER = (
    ["{0.scheme}://{0.netloc}".format(urlsplit(ENVIRONMENT.sign_on.issuer))] if ENVIRONMENT.sign_on else []
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Drawings as data: the QR code that a second factor is set up with.
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF, *_IDENTITY_PROVIDER],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# ----------------------------------------------------------------------------------------------------------------- mail
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
# A mail server that says nothing must not hold up the other messages.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail_from
if ENVIRONMENT.mail_url:
    _mail = urlsplit(ENVIRONMENT.mail_url)
    if _mail.scheme not in {"smtp", "smtps"} or not _mail.hostname:
        raise ConfigError("RINGI_MAIL_URL must be smtp://<user>:<password>@<host>:<port> or smtps://...")
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _mail.hostname, _mail.port or (465 if _mail.scheme == "smtps" else 587)
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp"

# -------------------------------------------------------------------------------------------------------------- logging
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # A page that is not found or not allowed is an answer, no incident; the ledger records what was refused.
    "loggers": {"django.request": {"level": "ERROR"}, "alembic": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
}
