"""What ``adapter:generated`` records, from the manifest that the core wrote."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from adapters_core.manifest import Manifest


def entry_data(
    manifest: Manifest, *, name: str, job_key: str, contexts: Sequence[Mapping[str, Any]], artifact: Mapping[str, Any]
) -> dict[str, Any]:
    """The entry's data.

    Args:
        manifest: of the adapter.
        name: what people call it.
        job_key: of the job that made it.
        contexts: [{"id", "commitment", "chunk_commitments"}] of all that it is made of.
        artifact: {"digest", "files", "bytes"} of its files.
    """
    identity, seen = manifest.identity, manifest.observation
    norms = {site: _norms(asdict(one)) for site, one in identity.norms.items()}
    return {
        "name": name,
        "job_key": job_key,
        "generator": identity.generator.digest,
        "generator_config": dict(identity.generator.config),
        "base": identity.base.digest,
        "base_name": identity.base.source,
        "base_revision": identity.base.revision,
        "tokenizer": identity.base.tokenizer,
        "contexts": [dict(part) for part in contexts],
        "tokens": identity.token_count,
        "chunks": identity.chunk_count,
        "parent": identity.parent,
        "added": [chunk.commitment for chunk in identity.added],
        "erased": list(identity.erased),
        "decay": identity.decay,
        "drift": dict(identity.drift) if identity.drift else None,
        "rank": identity.rank,
        "norms": norms,
        "norm_total": math.sqrt(math.fsum(one["frobenius"] ** 2 for one in norms.values())),
        "artifact": dict(artifact),
        "cost": {"seconds": seen.seconds, "tokens": identity.token_count, "bytes": artifact["bytes"]},
        "versions": {"code": seen.code_version, **identity.environment.libraries},
        "device": identity.environment.device,
        "dtype": identity.environment.dtype,
        "threads": identity.environment.threads,
        "seeds": dict(identity.environment.seeds),
        "batched": seen.batched,
        "created_at": seen.created_at,
        "mlflow_run": None,
    }


def _norms(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stated[name] for name in ("frobenius", "spectral", "effective_rank", "spectral_gap", "lost")}
