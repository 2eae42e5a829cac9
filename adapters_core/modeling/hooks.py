"""Hooks on a base that several threads may use: what one thread adds, no other thread sees.

Modules are shared by all who run the base, and so are the hooks that torch keeps on them. Two threads that adapt the
base at the same time (an answer being decoded, an adapter being measured) would each run under both adapters. Here
every hook belongs to the thread that set it and does nothing in any other.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

Hook = Callable[..., Any]
"""As torch calls it: (module, args, output) after a module, (module, args, kwargs) before one."""


class _OwnHook:
    """Runs a hook in the thread that made this object; anywhere else it changes nothing."""

    __slots__ = ("_hook", "_thread")

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._thread = threading.get_ident()

    def __call__(self, *arguments: object) -> object:
        return self._hook(*arguments) if threading.get_ident() == self._thread else None


@contextmanager
def hooked_after(hooks: Mapping[nn.Module, Hook]) -> Iterator[None]:
    """Run hooks after modules while the context is open, in this thread only; what they give becomes the output."""
    handles = [module.register_forward_hook(_OwnHook(hook)) for module, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def hooked_before(hooks: Mapping[nn.Module, Hook]) -> Iterator[None]:
    """Run hooks before modules while the context is open, in this thread only; they see (module, args, kwargs)."""
    handles = [module.register_forward_pre_hook(_OwnHook(hook), with_kwargs=True) for module, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
