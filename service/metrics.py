"""What /metrics shows, in the Prometheus text format. Numbers only."""

from collections import Counter

from service.store.clock import now_us
from service.store.opening import Store


class Metrics:
    """Counts of this process."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter()

    def answered(self, status: int) -> None:
        """One FHIR answer went out."""
        self._answers[status] += 1

    async def text(self, store: Store) -> str:
        """The exposition. Outbox figures are those of the whole installation, request counts those of this process."""
        rows = await store.fetch("SELECT status, safety, count(*), min(created) FROM outbox WHERE status <> 'delivered' GROUP BY status, safety")
        waiting = [row for row in rows if row[0] in ("due", "leased")]
        oldest = min((row[3] for row in waiting), default=None)
        lines = [
            "# TYPE setpoint_outbox_depth gauge",
            *(
                f'setpoint_outbox_depth{{safety="{str(bool(safety)).lower()}"}} {sum(r[2] for r in waiting if bool(r[1]) == safety)}'
                for safety in (False, True)
            ),
            "# TYPE setpoint_outbox_oldest_seconds gauge",
            f"setpoint_outbox_oldest_seconds {0 if oldest is None else max(0, (now_us() - oldest) / 1e6):.3f}",
            "# TYPE setpoint_outbox_dead gauge",
            *(f'setpoint_outbox_dead{{safety="{str(bool(safety)).lower()}"}} {_sum(rows, "dead", safety)}' for safety in (False, True)),
            "# TYPE setpoint_outbox_withheld gauge",
            f"setpoint_outbox_withheld {_sum(rows, 'withheld', False) + _sum(rows, 'withheld', True)}",
            "# TYPE setpoint_requests_total counter",
            *(f'setpoint_requests_total{{status="{status}"}} {count}' for status, count in sorted(self._answers.items())),
            "# TYPE setpoint_write_queue gauge",
            f"setpoint_write_queue {store.writer.depth}",
        ]
        return "\n".join(lines) + "\n"


def _sum(rows: list[tuple[str, bool, int, int]], status: str, safety: bool) -> int:
    return sum(row[2] for row in rows if row[0] == status and bool(row[1]) == safety)
