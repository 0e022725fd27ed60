"""All that is kept of a person's earlier values of one measure: the filter per grid point, and what the detectors carry."""

import struct
from dataclasses import dataclass
from typing import Any, Final

from mappings.baseline.detectors import Watch

_HEAD: Final = struct.Struct("<4sHHHHB")
_ANCHOR, _CONFIRMED, _SET_OUT = 1, 2, 4
_FIXED: Final = 4 + 11
_MARK: Final = b"SPB3"


@dataclass(slots=True)  # not frozen: one is made for every value, and a frozen one takes six times as long
class State:
    """After `n` values, the first on day `first`, the last on day `last`; `unwell` of them such as people have who are ill. Per grid point:
    log weight, trait A and state U with their covariance (Paa, Pau, Puu). `set_out`: (first day, level) of the newest treatment with a published course."""

    n: int
    first: float
    last: float
    unwell: int
    log_weight: tuple[float, ...]
    a: tuple[float, ...]
    u: tuple[float, ...]
    paa: tuple[float, ...]
    pau: tuple[float, ...]
    puu: tuple[float, ...]
    watch: Watch
    set_out: tuple[float, float] | None = None

    def to_bytes(self) -> bytes:
        """Every number as a double, little-endian: an exact round trip."""
        watch = self.watch
        numbers = [
            float(self.n), self.first, self.last, float(self.unwell), *self.log_weight, *self.a, *self.u, *self.paa, *self.pau, *self.puu,
            watch.ewma, watch.up, watch.down, *watch.peaks, watch.departure, *watch.run, *(watch.anchor or ()),
            *(number for rows in (watch.pending, watch.recent, watch.jumps) for each in rows for number in each),
            *(self.set_out or ()),
        ]  # fmt: skip
        flags = _ANCHOR * (watch.anchor is not None) | _CONFIRMED * watch.confirmed | _SET_OUT * (self.set_out is not None)
        head = _HEAD.pack(_MARK, len(self.a), len(watch.pending), len(watch.recent), len(watch.jumps), flags)
        return head + struct.pack(f"<{len(numbers)}d", *numbers)

    @staticmethod
    def from_bytes(raw: bytes) -> "State":
        """The state these bytes hold. Errors: ValueError for bytes of another kind or length."""
        try:
            mark, points, pending, recent, jumps, flags = _HEAD.unpack_from(raw)
            count = _FIXED + 6 * points + 5 * bool(flags & _ANCHOR) + 5 * pending + 2 * recent + 4 * jumps + 2 * bool(flags & _SET_OUT)
            numbers = struct.unpack(f"<{count}d", raw[_HEAD.size :])
        except struct.error:
            raise ValueError("not a baseline state") from None
        if mark != _MARK:
            raise ValueError("a baseline state of another version")
        return _read(numbers, points, (pending, recent, jumps), flags)


def _read(numbers: tuple[float, ...], points: int, sizes: tuple[int, int, int], flags: int) -> State:
    n, first, last, unwell = numbers[:4]
    log_weight, a, u, paa, pau, puu = (numbers[at : at + points] for at in range(4, 4 + 6 * points, points))
    at = 4 + 6 * points
    ewma, up, down, *more = numbers[at : at + 11]
    at += 11
    anchors, at = _rows(numbers, at, 5, bool(flags & _ANCHOR))
    pending, at = _rows(numbers, at, 5, sizes[0])
    recent, at = _rows(numbers, at, 2, sizes[1])
    jumps, at = _rows(numbers, at, 4, sizes[2])
    set_out, at = _rows(numbers, at, 2, bool(flags & _SET_OUT))
    anchor = anchors[0] if anchors else None
    peaks, run = (more[0], more[1], more[2], more[3]), (more[5], more[6], more[7])
    watch = Watch(ewma, up, down, peaks, more[4], run, anchor, bool(flags & _CONFIRMED), pending, recent, jumps)
    return State(int(n), first, last, int(unwell), log_weight, a, u, paa, pau, puu, watch, set_out[0] if set_out else None)


def _rows(numbers: tuple[float, ...], start: int, width: int, count: int) -> tuple[tuple[Any, ...], int]:
    end = start + width * count
    return tuple([numbers[at : at + width] for at in range(start, end, width)]), end
