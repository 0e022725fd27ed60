"""How long to wait before a delivery is tried again."""


def pause(attempts: int, base_s: float, cap_s: float, chance: float) -> float:
    """Seconds after the nth attempt (from 1): the span doubles up to the cap; its second half is chance (0 to 1), so that failures spread."""
    span = min(cap_s, base_s * 2.0 ** min(max(attempts - 1, 0), 62))
    return span / 2 + chance * span / 2
