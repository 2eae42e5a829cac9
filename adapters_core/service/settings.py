"""Settings of the service: frozen, checked once. Environment variables are read by :func:`read_token` alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters_core.errors import ConfigError

TOKEN_VARIABLE = "RINGI_TOKEN"  # noqa: S105  # the name of a variable, not a token
TOKEN_FILE_VARIABLE = "RINGI_TOKEN_FILE"  # noqa: S105  # as above
SHORTEST_TOKEN = 16
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TOKEN = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What one service holds, allows and refuses."""

    store: Path
    """Folder of sessions and of adapters' names; shared by all replicas."""
    token: str | None = field(default=None, repr=False)
    """What callers must bear; None: anyone who can connect (loopback only)."""
    model_name: str | None = None
    """Name of the base in the OpenAI interface; None: the base's own."""
    adapter_roots: tuple[Path, ...] = ()
    """Folders besides the store's own from which adapters may be loaded."""
    foreign_adapters: bool = False
    """Whether adapters without a manifest of ours may be loaded (past the same gate)."""
    context_root: Path | None = None
    """Folder of documents that callers may name by reference; None: no references."""
    body_bytes: int = 16 * 1024 * 1024
    """Largest body of a request."""
    concurrent_requests: int = 128
    """Requests answered at once; further ones are told to come again."""
    queue_length: int = 64
    """Pieces of work that wait for the model; as above."""
    batch_rows: int = 16
    """Answers decoded together."""
    batch_slots: int = 65_536
    """Tokens those answers may come to hold together, padding included."""
    answer_tokens: int = 1_024
    """Longest answer."""
    questions: int = 1_000
    """Most questions of one evaluation."""
    resident_adapters: int = 16
    """Adapters kept on the model's device; the least recently used makes room."""
    batch_generation: bool = False
    """Encode chunks of concurrent contexts in one pass. Faster on a GPU; digests are then not reproducible."""
    generation_batch_tokens: int = 16_384
    """Tokens, padding included, of one such pass."""
    drain_seconds: float = 60.0
    """Time that running requests get when the service is told to stop."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        if self.token is not None:
            _require_token(self.token)
        if self.model_name is not None and not _NAME.fullmatch(self.model_name):
            raise ConfigError(f"model_name must match {_NAME.pattern}, got {self.model_name!r}")
        for name in (
            "body_bytes",
            "concurrent_requests",
            "queue_length",
            "batch_rows",
            "batch_slots",
            "answer_tokens",
            "questions",
            "resident_adapters",
            "generation_batch_tokens",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.drain_seconds >= 0:
            raise ConfigError(f"drain_seconds must not be negative, got {self.drain_seconds}")


def read_token(environ: Mapping[str, str], path: Path | None = None) -> str | None:
    """The token from a file, from ``$RINGI_TOKEN_FILE`` or from ``$RINGI_TOKEN``, in this order; None: there is none.

    Raises:
        ConfigError: the file cannot be read, or what is there is too short.
    """
    if path is None and (named := environ.get(TOKEN_FILE_VARIABLE)):
        path = Path(named)
    if path is None:
        token = environ.get(TOKEN_VARIABLE, "").strip()
    else:
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the token file {path} must be readable text: {type(error).__name__}") from error
    if not token and path is None:
        return None
    _require_token(token)
    return token


def require_safe_binding(host: str, token: str | None, *, allow_anonymous: bool) -> None:
    """Refuse to listen without a token, unless on loopback and when asked to.

    Raises:
        ConfigError: that is what was asked for.
    """
    if token is not None:
        return
    if not allow_anonymous:
        raise ConfigError(
            f"the service needs a token: set ${TOKEN_VARIABLE} or ${TOKEN_FILE_VARIABLE} "
            "(or allow anonymous callers, on loopback only)"
        )
    if host not in LOOPBACK:
        raise ConfigError(f"without a token the service listens on {sorted(LOOPBACK)} only, got {host}")


def _require_token(token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"a token must have at least {SHORTEST_TOKEN} characters, got {len(token)}")
    if not _TOKEN.fullmatch(token):
        raise ConfigError("a token must be printable ASCII without spaces: a header carries nothing else")
