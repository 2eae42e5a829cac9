"""Time zones that a person may choose."""

import zoneinfo

COOKIE = "ringi_time_zone"
# Offered on the page; the cookie may hold any zone there is.
OFFERED = (
    "Asia/Tokyo",
    "UTC",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Australia/Sydney",
)


def zone(name: str, *, default: str) -> zoneinfo.ZoneInfo:
    """The zone of this name, or the default when there is no such zone."""
    return zoneinfo.ZoneInfo(name if name in zoneinfo.available_timezones() else default)
