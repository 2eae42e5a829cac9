"""What the surroundings say: the environment is read here, once, and nowhere else in the web half.

Everything has a value for one machine. With ``RINGI_DEBUG=0`` the values that would be unsafe in production are
refused, all of them in one message.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adapters_core.errors import ConfigError

SHORTEST_SECRET = 50
FEWEST_CHARACTERS = 5
SHORTEST_WEBHOOK_SECRET = 32
FEWEST_ANSWERED = 6
"""Below it a share of right answers says next to nothing, and its interval spans almost everything."""


@dataclass(frozen=True, kw_only=True)
class SignOn:
    """One OpenID Connect provider."""

    name: str
    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The settings of this installation, typed and checked."""

    debug: bool
    """On for one machine; off in production, where unsafe values are refused."""
    address: str
    """Where people open the pages: scheme, host and port."""
    allowed_hosts: tuple[str, ...]
    secret_key: str
    var: Path
    """Folder of everything this installation writes."""
    database_url: str
    """Of people and sessions. The ledger has its own."""
    ledger_url: str
    core_url: str
    """Of the process that holds the base model and the generator."""
    core_token: str | None
    """What the core wants callers to bear; None: the one that setup has drawn, if any."""
    engines: Mapping[str, str]
    """Further serving engines: name -> ``vllm+http://...`` or ``llamacpp+http://...``."""
    engine_tokens: Mapping[str, str]
    """name -> what that engine wants callers to bear."""
    mlflow_url: str
    """Tracking server of MLflow, or ``sqlite:///path``."""
    webhooks: tuple[str, ...]
    """Addresses that are told of every notice, signed with ``webhook_secret``."""
    webhook_secret: str
    time_zone: str
    sign_on: SignOn | None
    mail_url: str | None
    mail_from: str
    """Who mails are from."""
    trust_proxy: bool
    """Whether a proxy in front sets X-Forwarded-Proto and X-Forwarded-For."""
    verify_at_once: int
    """Entries that are verified while a page or a call waits; more are a job."""
    answered_questions: int
    """Questions of each context that the model answers in an evaluation, besides being scored on all of them."""
    sign_with_second_factor: bool
    """Whether a password alone, of a person without an authenticator app, signs nothing."""


def read_environment(environ: Mapping[str, str], *, root: Path) -> Environment:
    """Read and check the settings.

    Args:
        environ: the process's environment.
        root: the folder of manage.py; ``var/`` lies there unless RINGI_VAR names another.

    Raises:
        ConfigError: a value cannot be used, or is unsafe while debug is off.
    """
    debug = _flag(environ, "RINGI_DEBUG", default=True)
    var = Path(environ.get("RINGI_VAR") or root / "var").absolute()
    address = (environ.get("RINGI_ADDRESS") or "http://127.0.0.1:8000").rstrip("/")
    environment = Environment(
        debug=debug,
        address=address,
        allowed_hosts=_hosts(environ, debug=debug),
        secret_key=environ.get("RINGI_SECRET_KEY") or (_kept_secret(var / "secret_key") if debug else ""),
        var=var,
        database_url=environ.get("DATABASE_URL") or f"sqlite:///{var / 'web.sqlite3'}",
        ledger_url=environ.get("LEDGER_URL") or f"sqlite:///{var / 'ledger.sqlite3'}",
        core_url=(environ.get("RINGI_CORE_URL") or "http://127.0.0.1:8100").rstrip("/"),
        core_token=environ.get("RINGI_CORE_TOKEN") or None,
        engines=_pairs(environ, "RINGI_ENGINES"),
        engine_tokens=_pairs(environ, "RINGI_ENGINE_TOKENS"),
        mlflow_url=environ.get("RINGI_MLFLOW_URL") or f"sqlite:///{var / 'mlflow.sqlite3'}",
        webhooks=tuple(environ.get("RINGI_WEBHOOKS", "").split()),
        webhook_secret=environ.get("RINGI_WEBHOOK_SECRET") or "",
        time_zone=environ.get("RINGI_TIME_ZONE") or "Asia/Tokyo",
        sign_on=_sign_on(environ),
        mail_url=environ.get("RINGI_MAIL_URL") or None,
        mail_from=environ.get("RINGI_MAIL_FROM") or f"Ringi <ringi@{urlsplit(address).hostname}>",
        trust_proxy=_flag(environ, "RINGI_TRUST_PROXY", default=False),
        verify_at_once=_number(environ, "RINGI_VERIFY_AT_ONCE", default=20_000, least=0),
        answered_questions=_number(environ, "RINGI_ANSWERED_QUESTIONS", default=8, least=FEWEST_ANSWERED),
        sign_with_second_factor=_flag(environ, "RINGI_SIGN_WITH_SECOND_FACTOR", default=False),
    )
    if environment.webhooks and len(environment.webhook_secret) < SHORTEST_WEBHOOK_SECRET:
        raise ConfigError(f"RINGI_WEBHOOK_SECRET must hold at least {SHORTEST_WEBHOOK_SECRET} characters: it signs")
    if faults := unsafe_values(environment):
        raise ConfigError("with RINGI_DEBUG=0 every setting must be safe for production: " + "; ".join(faults))
    return environment


def unsafe_values(environment: Environment) -> list[str]:
    """Name what must not stay as it is in production; empty while debug is on."""
    if environment.debug:
        return []
    faults = []
    if len(environment.secret_key) < SHORTEST_SECRET or len(set(environment.secret_key)) < FEWEST_CHARACTERS:
        faults.append(
            f"RINGI_SECRET_KEY must hold at least {SHORTEST_SECRET} characters, got {len(environment.secret_key)}: "
            "make one with `openssl rand -base64 48`"
        )
    if not environment.allowed_hosts or "*" in environment.allowed_hosts:
        faults.append("RINGI_ALLOWED_HOSTS must name the hosts that serve the pages, separated by commas, without *")
    if urlsplit(environment.address).scheme != "https":
        faults.append(f"RINGI_ADDRESS must begin with https://, got {environment.address!r}")
    if environment.sign_on and urlsplit(environment.sign_on.issuer).scheme != "https":
        faults.append(f"OIDC_ISSUER must begin with https://, got {environment.sign_on.issuer!r}")
    return faults


def database_settings(url: str) -> dict[str, object]:
    """Django's description of a database from its URL: sqlite:///path or postgresql://user:password@host:port/name.

    Raises:
        ConfigError: the URL names another kind of database, or none at all.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and parts.path.strip("/"):
        # IMMEDIATE: a writer waits for its turn instead of failing in the middle of a transaction.
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path, "OPTIONS": options}
    if parts.scheme in {"postgres", "postgresql", "postgresql+psycopg"} and parts.path.strip("/"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.strip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": parts.port or "",
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ConfigError(
        "DATABASE_URL must be sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>, "
        f"got scheme {parts.scheme!r}"
    )


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(f"{name} must be 1 or 0, got {text!r}")


def _number(environ: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {text[:40]!r}")
    return int(text)


def _pairs(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """``a=x b=y`` as a mapping."""
    found = {}
    for word in environ.get(name, "").split():
        key, sign, value = word.partition("=")
        if not key or not sign or not value:
            raise ConfigError(f"{name} must read name=value name=value ..., got {key!r} without a value")
        found[key] = value
    return found


def _hosts(environ: Mapping[str, str], *, debug: bool) -> tuple[str, ...]:
    named = tuple(host.strip() for host in environ.get("RINGI_ALLOWED_HOSTS", "").split(",") if host.strip())
    return named or (("localhost", "127.0.0.1", "[::1]", "testserver") if debug else ())


def _sign_on(environ: Mapping[str, str]) -> SignOn | None:
    names = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    given = [name for name in names if environ.get(name)]
    if not given:
        return None
    if missing := [name for name in names if name not in given]:
        raise ConfigError(f"{', '.join(names)} must be set together; missing: {', '.join(missing)}")
    issuer, client_id, client_secret = (environ[name] for name in names)
    name = environ.get("OIDC_NAME") or "OpenID Connect"
    return SignOn(name=name, issuer=issuer.rstrip("/"), client_id=client_id, client_secret=client_secret)


def _kept_secret(path: Path) -> str:
    """The secret of this machine: drawn once, readable by its owner only, one for processes that start together."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(64))
        # The first of several processes wins; the others read what it wrote.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii")
