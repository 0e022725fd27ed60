"""UCUM units as searches compare them: a quantity in one unit equals one in another of the same dimension."""

from collections.abc import Callable, Sequence

Change = Callable[[float], float]


class Units:
    """The UCUM codes that stored quantities have."""

    def equal_to(self, code: str) -> Sequence[tuple[str, Change]]:
        """The other stored units of this unit's dimension, each with the change of a value into it."""
        return ()
