"""How much an adapter changes the model, site by site, beside the adapters that are approved."""

import re
from dataclasses import dataclass

from adapters_core.ledger import adapter_queries, people_queries, queries
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance.policy.norms import ENOUGH, NormPlace, place

COMPARED = 50
"""Approved adapters that are looked at site by site: the newest ones."""
LIMIT = 6.0
"""Robust standard deviations from which a site stands out, where no policy says otherwise."""
FAR = 1.5
"""Times the median that a single site must reach besides: few adapters are alike by chance in some of many sites."""
_LAYER = re.compile(r"layers?\.(\d+)\.(.+)$")


@dataclass(frozen=True, kw_only=True)
class SiteNorm:
    """One changed place of the model."""

    site: str
    layer: int | None
    part: str
    """Which of the layer's matrices."""
    frobenius: float
    spectral: float
    effective_rank: float
    spectral_gap: float | None
    low: float | None
    """The smallest among the approved ones; None with too few to compare with."""
    median: float | None
    high: float | None
    distance: float | None
    """Above the median, in robust standard deviations."""
    stands_out: bool


@dataclass(frozen=True, kw_only=True)
class NormReport:
    """All of it."""

    total: NormPlace
    limit: float
    sites: tuple[SiteNorm, ...]
    compared: int
    """Approved adapters that the sites are compared with."""

    @property
    def enough(self) -> bool:
        """Whether there are enough approved adapters to say anything."""
        return self.total.distance is not None

    @property
    def drawn(self) -> bool:
        """Whether the drawing shows what is usual of any site."""
        return any(site.median is not None for site in self.sites)

    @property
    def stands_out(self) -> bool:
        """Whether the whole change is far larger than those of the approved ones."""
        return self.total.distance is not None and self.total.distance > self.limit

    @property
    def outliers(self) -> tuple[SiteNorm, ...]:
        """Sites that are."""
        return tuple(site for site in self.sites if site.stands_out)

    @property
    def times(self) -> float | None:
        """The whole change as a multiple of the median."""
        return self.total.norm / self.total.median if self.total.median else None


def norm_report(reader: Reader, row: AdapterRow, generated: Entry) -> NormReport:
    """The norms of an adapter among the approved ones of its base."""
    others = _others(reader, row)
    limit = _limit(reader)
    sites = (_site(name, stated, others, limit) for name, stated in generated.data["norms"].items())
    return NormReport(
        total=place(row.norm_total, adapter_queries.approved_norms(reader, row.base, besides=row.digest)),
        limit=limit,
        sites=tuple(sorted(sites, key=lambda one: (one.part, -1 if one.layer is None else one.layer, one.site))),
        compared=len(others),
    )


def _others(reader: Reader, row: AdapterRow) -> list[dict[str, dict[str, float]]]:
    wanted = AdapterFilter(base=row.base, approved=True)
    found = adapter_queries.find_adapters(reader, wanted, limit=COMPARED + 1).rows
    chosen = [one for one in found if one.digest != row.digest][:COMPARED]
    return [entry.data["norms"] for entry in queries.entries_at(reader, [one.seq for one in chosen])]


def _limit(reader: Reader) -> float:
    stated = [policy.data["norm_outlier"] for policy in people_queries.policies(reader)]
    return min((float(one) for one in stated if one is not None), default=LIMIT)


def _site(name: str, stated: dict[str, float], others: list[dict[str, dict[str, float]]], limit: float) -> SiteNorm:
    same = [other[name]["frobenius"] for other in others if name in other]
    among = place(stated["frobenius"], same)
    found = _LAYER.search(name)
    known = len(same) >= ENOUGH
    return SiteNorm(
        site=name,
        layer=int(found.group(1)) if found else None,
        part=found.group(2) if found else name,
        frobenius=stated["frobenius"],
        spectral=stated["spectral"],
        effective_rank=stated["effective_rank"],
        spectral_gap=stated.get("spectral_gap"),
        low=min(same) if known else None,
        median=among.median,
        high=max(same) if known else None,
        distance=among.distance,
        stands_out=_stands_out(among, limit),
    )


def _stands_out(among: NormPlace, limit: float) -> bool:
    if among.distance is None or among.median is None:
        return False
    return among.distance > limit and among.norm > FAR * among.median
