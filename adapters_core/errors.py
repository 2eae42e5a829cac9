"""The one error tree of the core.

A message says what must hold, what was got and, where it helps, what to do. Each class carries a stable
``code`` (used in problem+json answers and by ``--json``) and the exit status of the command line.
"""

from collections.abc import Mapping


class RingiError(Exception):
    """Base of every error that the core raises on purpose."""

    code = "error"
    exit_status = 1
    recorded = False
    """Whether the ledger holds an entry of the refusal; set where it was written."""


class InputError(RingiError):
    """What the caller gave cannot be used: nothing was changed."""

    code = "invalid_input"
    exit_status = 2


class ContextError(InputError):
    """A context is empty, undecodable, too short or over the limit."""

    code = "invalid_context"


class PersonalDataError(ContextError):
    """A context holds personal data, and nobody said why it may be used."""

    code = "personal_data"

    def __init__(self, message: str, *, found: Mapping[str, int]) -> None:
        stated = ", ".join(f"{kind} {count}" for kind, count in found.items() if count)
        super().__init__(f"{message}; found: {stated}")
        self.found = found
        """Kind -> how often."""


class ConfigError(InputError):
    """A configuration is out of its bounds or contradicts itself."""

    code = "invalid_config"


class UnsupportedModelError(InputError):
    """The base model, or a module of it, has a shape that is not supported."""

    code = "unsupported_model"


class UnknownSiteError(InputError):
    """A target module is not found in the base model."""

    code = "unknown_site"


class MismatchError(InputError):
    """Two things that must belong together (generator and base, state and generator) do not."""

    code = "mismatch"


class UnknownAdapterError(InputError):
    """No adapter or session of this name is known."""

    code = "unknown_adapter"


class UnknownChunkError(InputError):
    """No chunk of this commitment is part of the state."""

    code = "unknown_chunk"


class IntegrityError(RingiError):
    """Stored bytes are not what their digest says, or are cut short."""

    code = "integrity"
    exit_status = 3


class NumericalError(RingiError):
    """A tensor holds NaN or infinite values, or a state ran over its range."""

    code = "numerical"
    exit_status = 3


class UnsafeAdapterError(RingiError):
    """The pre-load gate refused an adapter."""

    code = "unsafe_adapter"
    exit_status = 3


class StorageError(RingiError):
    """Reading or writing a file failed (disk full, permission, another writer)."""

    code = "storage"
    exit_status = 4


class BusyError(RingiError):
    """Another process holds the output, or the service has no free capacity."""

    code = "busy"
    exit_status = 5


class UnavailableError(BusyError):
    """The service is starting, draining or gone: nothing was begun, and asking again later may work."""

    code = "unavailable"


class AccessError(RingiError):
    """The service does not know this caller."""

    code = "unauthorized"
    exit_status = 5


class DeniedError(AccessError):
    """The rules of the platform do not allow this person to do this: nothing was changed."""

    code = "denied"

    def __init__(self, message: str, *, reason_code: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        """Which rule refused, for machines and the ledger."""


class TooLargeError(InputError):
    """A request is larger than the service takes."""

    code = "too_large"


class EngineError(RingiError):
    """A serving engine or service gave no answer, or one that breaks the contract."""

    code = "engine"
    exit_status = 6


class EngineRefusedError(RingiError):
    """A serving engine answered, and refused: asking again changes nothing."""

    code = "engine_refused"
    exit_status = 6


class CanaryError(RingiError):
    """An engine serves something else under an adapter's name than what was approved."""

    code = "canary"
    exit_status = 3


class LedgerError(RingiError):
    """The ledger cannot be used as it is: not migrated, of another version, or its guards refused a statement."""

    code = "ledger"
    exit_status = 7


class EntryError(InputError):
    """What was to be recorded is not an entry that the ledger takes."""

    code = "invalid_entry"


class IllegalTransitionError(InputError):
    """The subject is not in a state in which this event can happen."""

    code = "illegal_transition"


class StaleError(IllegalTransitionError):
    """The caller decided on something that has changed in the meantime."""

    code = "stale"


class UnknownSubjectError(InputError):
    """The ledger has no subject of this kind and id."""

    code = "unknown_subject"


class LeaseLostError(BusyError):
    """Another worker holds the job or message now: what this one did for it counts for nothing."""

    code = "lease_lost"


class ErasedError(InputError):
    """The text and its key were erased."""

    code = "erased"
