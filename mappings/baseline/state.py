"""All that is kept of a person's earlier values of one measure: the filter per grid point, and what the detectors carry."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mappings.baseline.detectors import Posterior, Watch

_HEAD: Final = struct.Struct("<4sHHHB")
_MARK: Final = b"SPB1"


@dataclass(frozen=True, slots=True)
class State:
    """After `n` values, the first on day `first`, the last on day `last`. Per grid point: log weight, trait A and state U with
    their covariance (Paa, Pau, Puu)."""

    n: int
    first: float
    last: float
    log_weight: tuple[float, ...]
    a: tuple[float, ...]
    u: tuple[float, ...]
    paa: tuple[float, ...]
    pau: tuple[float, ...]
    puu: tuple[float, ...]
    watch: Watch

    def to_bytes(self) -> bytes:
        """Every number as a double, little-endian: an exact round trip."""
        watch = self.watch
        numbers = [
            float(self.n), self.first, self.last, *self.log_weight, *self.a, *self.u, *self.paa, *self.pau, *self.puu,
            watch.ewma, watch.up, watch.down, float(watch.raised), *watch.run, *(watch.anchor or ()),
            *(number for each in watch.pending for number in each), *(number for each in watch.recent for number in each),
        ]  # fmt: skip
        head = _HEAD.pack(_MARK, len(self.a), len(watch.pending), len(watch.recent), watch.anchor is not None)
        return head + struct.pack(f"<{len(numbers)}d", *numbers)

    @staticmethod
    def from_bytes(raw: bytes) -> "State":
        """The state these bytes hold. Errors: ValueError for bytes of another kind or length."""
        try:
            mark, points, pending, recent, has_anchor = _HEAD.unpack_from(raw)
            count = 3 + 6 * points + 7 + 4 * has_anchor + 4 * pending + 2 * recent
            numbers = struct.unpack(f"<{count}d", raw[_HEAD.size :])
        except struct.error:
            raise ValueError("not a baseline state") from None
        if mark != _MARK:
            raise ValueError("a baseline state of another version")
        return _read(iter(numbers), points, pending, recent, bool(has_anchor))


def _read(numbers: Iterator[float], points: int, pending: int, recent: int, has_anchor: bool) -> State:
    def take(count: int) -> tuple[float, ...]:
        return tuple(next(numbers) for _ in range(count))

    def posterior() -> Posterior:
        return next(numbers), next(numbers), next(numbers), next(numbers)

    n, first, last = take(3)
    arrays = [take(points) for _ in range(6)]
    ewma, up, down, raised = take(4)
    run = (next(numbers), next(numbers), next(numbers))
    anchor = posterior() if has_anchor else None
    waiting = tuple(posterior() for _ in range(pending))
    window = tuple((next(numbers), next(numbers)) for _ in range(recent))
    log_weight, a, u, paa, pau, puu = arrays
    return State(int(n), first, last, log_weight, a, u, paa, pau, puu, Watch(ewma, up, down, int(raised), run, anchor, waiting, window))
