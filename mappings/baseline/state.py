"""All that is kept of a person's earlier values of one measure: the filter per grid point, and what the detectors carry."""

import struct
from dataclasses import dataclass
from typing import Any, Final

from mappings.baseline.detectors import Watch

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
        return _read(numbers, points, pending, recent, bool(has_anchor))


def _read(numbers: tuple[float, ...], points: int, pending: int, recent: int, has_anchor: bool) -> State:
    n, first, last = numbers[:3]
    log_weight, a, u, paa, pau, puu = (numbers[at : at + points] for at in range(3, 3 + 6 * points, points))
    at = 3 + 6 * points
    ewma, up, down, raised, side, since, count = numbers[at : at + 7]
    posteriors = _rows(numbers, at + 7, 4, has_anchor + pending)
    window = _rows(numbers, at + 7 + 4 * (has_anchor + pending), 2, recent)
    anchor = posteriors[0] if has_anchor else None
    watch = Watch(ewma, up, down, int(raised), (side, since, count), anchor, posteriors[has_anchor:], window)
    return State(int(n), first, last, log_weight, a, u, paa, pau, puu, watch)


def _rows(numbers: tuple[float, ...], start: int, width: int, count: int) -> tuple[Any, ...]:
    return tuple([numbers[at : at + width] for at in range(start, start + width * count, width)])
