"""How near is generation to its physical limit, one bare forward of the base's body over the same context?

Peers in the same run: the shipped generator and, up to 2,048 tokens, random ones of R = 144, r = 18 and R = 256, r = 32
(time does not depend on the weights). Short contexts are repeated more often, as their times scatter more. Peak memory
is that of a fresh process each for the body and for generation.
"""

import argparse
import multiprocessing
import re
from pathlib import Path
from statistics import median
from typing import Any

from adapters_core.config import GeneratorConfig
from adapters_core.modeling.generator import Generator
from adapters_core.pipeline import GenerationCore
from adapters_core.timing import KEY, document_of, generation_ratios
from benchmarks.reporting import arguments, core_of, report

LENGTHS = (512, 2048, 8192)
PEER_LENGTHS = LENGTHS[:2]
REPEATED = 2048
"""Tokens that are repeated as often as asked."""
PROCESSES = 3
"""Of each kind, for the peak of memory; the longest context is read by one."""
PEERS = ((144, 18), (256, 32))


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    shipped = core_of(args)
    rows: list[dict[str, Any]] = []
    for core in (shipped, *(random_core(shipped, size, rank) for size, rank in PEERS)):
        config = core.generator.config
        lengths = LENGTHS if core is shipped else PEER_LENGTHS
        rows += [
            {
                "R": config.key_size,
                "r": config.rank,
                "tokens": time.tokens,
                "body s": time.body_s,
                "ratio, pairs": time.ratio,
                "ratio, recorded": time.recorded_ratio,
            }
            for tokens in lengths
            for time in generation_ratios(core, (tokens,), repeats=max(2, args.repeats * REPEATED // tokens))
        ]
    if core.base.device.type == "cpu":
        for row in rows:
            if row["R"] == shipped.generator.config.key_size:
                row["extra memory / base"] = extra_memory(args, row["tokens"]) / shipped.base.nbytes
    report("generation", rows, args, shipped)


def random_core(core: GenerationCore, size: int, rank: int) -> GenerationCore:
    """A core with a random generator of another size on the same base."""
    config = GeneratorConfig(key_size=size, value_size=size, rank=rank, chunk_tokens=core.generator.config.chunk_tokens)
    return GenerationCore(core.base, Generator(config, core.base))


def extra_memory(args: argparse.Namespace, tokens: int) -> int:
    """Bytes that generation needs above a bare forward pass: medians of processes of one pass each, by turns."""
    context = multiprocessing.get_context("spawn")
    peaks: dict[bool, list[int]] = {False: [], True: []}
    for _ in range(PROCESSES if tokens < LENGTHS[-1] else 1):
        for generate, found in peaks.items():
            with context.Pool(1) as pool:
                found.append(pool.apply(peak_memory, (args, tokens), {"generate": generate}))
    return max(0, int(median(peaks[True]) - median(peaks[False])))


def peak_memory(args: argparse.Namespace, tokens: int, *, generate: bool) -> int:
    """Largest resident set of this process during one pass, in bytes; loading, which peaks higher, does not count."""
    import torch

    core = core_of(args)
    document = document_of(core, tokens)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    if generate:
        core.generate([document], key=KEY)
    else:
        ids = [[i for chunk in core.chunks([document]) for i in chunk.token_ids]]
        with torch.no_grad():
            for part in torch.tensor(ids).split(core.generator.config.chunk_tokens, dim=1):
                core.base.body(input_ids=part, use_cache=False)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if peak is None:
        raise RuntimeError("peak memory is read from /proc/self/status, which has no VmHWM here")
    return int(peak.group(1)) * 1024


if __name__ == "__main__":
    main()
