"""References as the store keeps them: relative where they are at our own base."""


def local(reference: str, base: str) -> str:
    """A reference at our own base as the relative one it equals; others unchanged. A version part is dropped."""
    text = reference[len(base) + 1 :] if reference.startswith(base + "/") else reference
    return text.split("/_history/")[0]
