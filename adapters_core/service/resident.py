"""The adapters that are held on the model's device.

Who uses an adapter holds it, so making room for another never takes it from under an answer.
"""

import threading
from collections import OrderedDict

from adapters_core.modeling.lora import Pairs
from adapters_core.service.metrics import Metrics


class ResidentPairs:
    """The pairs used last, on the model's device and in its dtype."""

    def __init__(self, capacity: int, metrics: Metrics) -> None:
        """Hold at most so many adapters."""
        self._capacity = capacity
        self._metrics = metrics
        self._held: OrderedDict[str, Pairs] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Pairs | None:
        """The pairs of an adapter; None: they are not held."""
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
            return self._held.get(digest)

    def put(self, digest: str, pairs: Pairs) -> None:
        """Hold an adapter; the one used longest ago makes room."""
        with self._lock:
            self._held[digest] = pairs
            self._held.move_to_end(digest)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
            self._metrics.resident.set(len(self._held))

    def drop(self, digest: str) -> None:
        """Hold an adapter no longer."""
        with self._lock:
            self._held.pop(digest, None)
            self._metrics.resident.set(len(self._held))
