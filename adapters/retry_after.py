"""The Retry-After header: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 86400.0
_SECONDS: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from `now` (seconds since 1970 UTC) until it may be tried again, 0 to one day; None without a header that can be read.
    Both forms are taken, seconds (some servers send a fraction) and HTTP-date."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_S)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST_S)
