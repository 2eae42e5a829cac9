"""What a run tells to whoever keeps its record: a protocol with no library behind it."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class RunTracker(Protocol):
    """One run's record: parameters once, metrics by step, files at the end."""

    def __enter__(self) -> Self:
        """Open the run."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; a run that ends with an error is recorded as failed."""
        ...

    def log_parameters(self, parameters: Mapping[str, str]) -> None:
        """Record what the run was started with."""
        ...

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record numbers of a step."""
        ...

    def log_file(self, path: Path) -> None:
        """Keep a file with the run."""
        ...
