"""How long does it take to put one resident adapter in the place of another? Peer: loading it from its folder."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import torch

from adapters_core.artifact import read_adapter, write_session
from adapters_core.data.documents import Document
from adapters_core.modeling.lora import applied
from adapters_core.timing import KEY, seconds
from benchmarks.reporting import arguments, core_of, report

SWAPS = 50


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    core = core_of(args)
    texts = ("The Kanazawa depot closes at nine.", "Invoices above 40,000 yen need two signatures.")
    sessions = [core.generate([Document(name=f"d{i}", text=text * 4)], key=KEY) for i, text in enumerate(texts)]
    resident = [session.adapter.pairs for session in sessions]
    times = []
    with ExitStack() as stack:
        stack.enter_context(applied(core.base, resident[0]))
        for swap in range(SWAPS):

            def exchange(target: int = (swap + 1) % 2) -> None:
                stack.close()
                stack.enter_context(applied(core.base, resident[target]))

            times.append(seconds(exchange))
    with tempfile.TemporaryDirectory() as folder:
        path = write_session(sessions[0], Path(folder) / "a")
        load = min(seconds(lambda: read_adapter(path)) for _ in range(args.repeats))
    median = float(torch.tensor(times).median())
    row = {"swap ms, median": median * 1e3, "swap ms, worst": max(times) * 1e3, "load from disk / swap": load / median}
    report("swap", [row], args, core)


if __name__ == "__main__":
    main()
