"""Row numbers that grow with time and never meet: 41 bits of milliseconds since 2024, 11 bits of node, 11 bits of sequence."""

import time

SLOTS = 16
_EPOCH_MS = 1_704_067_200_000


def now_us() -> int:
    """The wall clock in microseconds since 1970 UTC, cut to the milliseconds that `meta.lastUpdated` shows."""
    return time.time_ns() // 1_000_000 * 1000


class RidMint:
    """Makes rids for one process; `node` (0..2047) is handed out by the database at start."""

    def __init__(self, node: int) -> None:
        self._node = (node % 2048) << 11
        self._last = 0
        self._sequence = 0

    @property
    def slot(self) -> int:
        """One of SLOTS, mostly this process's own."""
        return (self._node >> 11) % SLOTS

    def __call__(self) -> int:
        ms = time.time_ns() // 1_000_000 - _EPOCH_MS
        if ms <= self._last:
            self._sequence += 1
            if self._sequence == 2048:
                self._last, self._sequence = self._last + 1, 0
        else:
            self._last, self._sequence = ms, 0
        return (self._last << 22) | self._node | self._sequence
