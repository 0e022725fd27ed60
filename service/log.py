"""Log events, declared with the fields they may carry. No URL, query, body, name or narrative ever stands in a log."""

import json
import logging
import sys
import time
from typing import Any, Final

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "service-started": ("workers", "auth", "version"),
    "open-installation": ("address",),
    "service-stopped": ("seconds",),
    "request-failed": ("request", "error", "where"),
    "database-unavailable": ("request",),
    "audit-delayed": ("waiting",),
    "audit-lost": ("rows",),
    "worker-started": ("version",),
    "worker-stopped": ("settled",),
    "delivered": ("row", "ehr", "kind", "attempt"),
    "retry": ("row", "ehr", "kind", "attempt", "reason", "seconds"),
    "dead": ("row", "ehr", "kind", "attempt", "reason", "safety"),
    "withheld": ("row", "ehr", "kind", "reason"),
    "worker-failed": ("error", "where"),
    "migrated": ("revision",),
    "key-made": ("kid", "alg"),
}


def event(log: logging.Logger, name: str, level: int | None = None, **fields: Any) -> None:
    """Write one declared event. Errors: KeyError for an event or a field that is not declared (a test finds it)."""
    allowed = EVENTS[name]
    unknown = set(fields) - set(allowed)
    if unknown:
        raise KeyError(f"{name} may not carry {sorted(unknown)}")
    if level is None:
        level = logging.ERROR if name in ("request-failed", "dead", "worker-failed", "database-unavailable") else logging.INFO
    log.log(level, name, extra={"fields": fields})


def where(error: BaseException) -> str:
    """File and line of a failure: enough to find it, and nothing of the data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""


class JsonLines(logging.Formatter):
    """One JSON object a line; of foreign records (uvicorn) only logger, level and a fixed text."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, Any] = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)), "level": record.levelname.lower(), "log": record.name}
        if record.name.startswith("setpoint"):
            body |= {"event": record.msg, **getattr(record, "fields", {})}
        else:
            body["event"] = str(record.msg)[:120]
        return json.dumps(body, ensure_ascii=False)


def configure(level: str) -> None:
    """Send events to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for quiet in ("httpx", "httpcore", "uvicorn.access", "asyncio", "alembic"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
