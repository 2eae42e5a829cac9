"""Figures as text: intervals, shares, differences, seconds, bytes."""

from adapters_core.evaluation.chart_style import short_number
from adapters_core.evaluation.intervals import Difference, Interval
from adapters_core.evaluation.report import UNDEFINED, Recovery

NOTHING = "—"
"""Not asked for, or without meaning."""


def interval_text(interval: Interval | None, *, signed: bool = False) -> str:
    """A value with its bounds, where they are known."""
    if interval is None:
        return NOTHING
    sign = "+" if signed and interval.value > 0 else ""
    if interval.low is None or interval.high is None:
        return f"{sign}{short_number(interval.value)}"
    return f"{sign}{short_number(interval.value)} [{short_number(interval.low)}, {short_number(interval.high)}]"


def share_text(share: Recovery) -> str:
    """A share in percent with its bounds; "undefined" stays what it is."""
    if share is None:
        return NOTHING
    if share == UNDEFINED:
        return UNDEFINED
    if share.low is None or share.high is None:
        return f"{share.value:.0%}"
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def difference_text(difference: Difference | None) -> str:
    """A paired difference with its p-value."""
    if difference is None:
        return NOTHING
    p = "" if difference.p_value is None else f", p = {short_number(difference.p_value)}"
    sign = "+" if difference.interval.value > 0 else ""
    return f"{sign}{short_number(difference.interval.value)}{p}"


def seconds_text(seconds: float) -> str:
    """Seconds, below one in milliseconds."""
    if seconds == 0:
        return NOTHING
    return f"{seconds * 1e3:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def bytes_text(size: float) -> str:
    """Bytes in powers of 1,000."""
    if size == 0:
        return NOTHING
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size:,.0f} B"
