"""The engines of this installation, by the name that slots give them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings

from adapters_core.errors import ConfigError, UnknownSubjectError
from governance.engines.engine import Engine
from governance.engines.llama_cpp import LlamaCppEngine
from governance.engines.vllm import VllmEngine

CORE = "core"
_DRIVERS: Mapping[str, Callable[..., Engine]] = {"vllm": VllmEngine, "llamacpp": LlamaCppEngine}


class Engines:
    """Drivers, made once; each may be shared by threads."""

    def __init__(self, urls: Mapping[str, str], tokens: Mapping[str, str]) -> None:
        """Name them; nothing is asked yet.

        Args:
            urls: name -> ``vllm+http://host:port`` or ``llamacpp+http://host:port``.
            tokens: name -> what the engine wants callers to bear.
        """
        self._urls, self._tokens = urls, tokens

    def __getitem__(self, name: str) -> Engine:
        """The engine of this name.

        Raises:
            UnknownSubjectError: there is none in the settings.
        """
        try:
            return self.all[name]
        except KeyError as error:
            raise UnknownSubjectError(
                f"the engine {name!r} must be one of {', '.join(self.all)}: add it to RINGI_ENGINES"
            ) from error

    @cached_property
    def all(self) -> Mapping[str, Engine]:
        """Every engine by its name."""
        return {name: _engine(name, url, self._tokens.get(name)) for name, url in self._urls.items()}

    def close(self) -> None:
        """Close the connections of all of them."""
        for engine in self.all.values():
            engine.close()


def configured_engines(core_token: str | None) -> Engines:
    """The engines of the settings; the embedded core is always one of them."""
    urls = {CORE: f"vllm+{settings.CORE_URL}", **settings.ENGINES}
    tokens = {**({CORE: core_token} if core_token else {}), **settings.ENGINE_TOKENS}
    return Engines(urls, tokens)


def _engine(name: str, url: str, token: str | None) -> Engine:
    kind, _, address = url.partition("+")
    if kind not in _DRIVERS or urlsplit(address).scheme not in {"http", "https"}:
        raise ConfigError(f"the engine {name} must be vllm+http://... or llamacpp+http://..., got {url!r}")
    return _DRIVERS[kind](name, address, token=token)
