"""Adapters as tables in the terminal."""

from collections.abc import Sequence

from rich.table import Table

from adapters_core.artifact import ChunkPlace
from adapters_core.manifest import Manifest

_SHORT = 16


def manifest_table(manifest: Manifest) -> Table:
    """What an adapter is, two columns."""
    identity, observation = manifest.identity, manifest.observation
    environment = identity.environment
    table = Table(show_header=False, title="adapter")
    rows = {
        "digest": manifest.digest,
        "parent": identity.parent or "none (the first of its line)",
        "base": f"{identity.base.source}  {identity.base.digest[:_SHORT]}",
        "generator": identity.generator.digest[:_SHORT],
        "chunks": f"{identity.chunk_count} ({identity.token_count:,} tokens); "
        f"+{len(identity.added)} -{len(identity.erased)} in this step",
        "rank": str(identity.rank),
        "norm": f"{sum(n.frobenius**2 for n in identity.norms.values()) ** 0.5:.4f} over {len(identity.norms)} sites",
        "made": f"{observation.created_at} in {observation.seconds:.2f} s",
        "on": f"{environment.device}, {environment.dtype}, {environment.threads} threads",
        "code": observation.code_version,
    }
    if identity.drift is not None:
        rows["drift"] = f"cosine {identity.drift['cosine']:.4f}, change {identity.drift['change']:.4f}"
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def norms_table(manifest: Manifest) -> Table:
    """Delta norms by site."""
    table = Table(title="delta norms")
    for column in ("site", "Frobenius", "spectral", "effective rank", "spectral gap", "lost"):
        table.add_column(column, justify="left" if column == "site" else "right")
    for path, norms in sorted(manifest.identity.norms.items(), key=lambda item: _natural(item[0])):
        gap = "-" if norms.spectral_gap is None else f"{norms.spectral_gap:.2f}"
        table.add_row(
            path,
            f"{norms.frobenius:.4f}",
            f"{norms.spectral:.4f}",
            f"{norms.effective_rank:.1f}",
            gap,
            f"{norms.lost:.4f}",
        )
    return table


def places_table(places: Sequence[ChunkPlace]) -> Table:
    """The chunks of a session."""
    table = Table(title="chunks")
    for column in ("commitment", "document", "characters", "tokens"):
        table.add_column(column)
    for place in places:
        table.add_row(place.commitment[:_SHORT], place.document, f"{place.start}-{place.end}", str(place.tokens))
    return table


def _natural(path: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in path.split("."))
