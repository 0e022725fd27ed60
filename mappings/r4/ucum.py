"""UCUM units by dimension (https://ucum.org/ucum), so that quantities in different units can be compared."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mappings.vocabulary import Json

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_ARBITRARY = re.compile(r"\[(?:[iI]U|arb'U|USP'U|GPL'U|MPL'U|APL'U|beth'U|anti'Xa'U|todd'U|dye'U|smgy'U|bdsk'U|ka'U|knk'U|mclg'U|tb'U|CCID_50|TCID_50|EID_50|"
                        r"PFU|FFU|CFU|IR|BAU|AU|Amb'a'1'U|PNU|Lf|D'ag'U|FEU|ELU|EU)\]")  # fmt: skip
"""Units that a procedure defines: comparable with themselves alone (UCUM 24, "arbitrary units")."""
_STAND_IN = "cd"


class Unit(NamedTuple):
    """A unit: its dimension, and how a value in it becomes one in base units: value * factor + offset."""

    dimension: str
    factor: float
    offset: float = 0.0

    def change(self, value: float, to: "Unit") -> float:
        """A value in this unit as one in another of the same dimension; 12 digits, so that 1 g is 1000 mg and not a little less."""
        return float(f"{(value * self.factor + self.offset - to.offset) / to.factor:.12g}")


def table(data: Json) -> Mapping[str, Unit]:
    """The units of the parsed definitions/units.json."""
    return {code: Unit(*found) for code, found in data["units"].items()}


def unit(code: str, registry: Any) -> Unit | None:
    """The unit of any UCUM code, by a `ucumvert.PintUcumRegistry`. None for a code that is not UCUM, for special units without a linear
    scale such as pH, and for a bare annotation: {score} is compared with {score} alone.

    An annotation is no unit; one with digits, as in mL/min/{1.73_m2}, says what the value is per, and stays part of the dimension.
    """
    bare = _ANNOTATION.sub("", code).replace("//", "/").rstrip("/.")
    if not bare:
        return None
    kept = [each for each in _ANNOTATION.findall(code) if any(char.isdigit() for char in each)] + _ARBITRARY.findall(bare)
    try:
        measured = registry.from_ucum(_ARBITRARY.sub(_STAND_IN, bare))
        times, units = getattr(measured, "magnitude", 1), getattr(measured, "units", measured)
        zero, one = (registry.Quantity(value * times, units).to_base_units() for value in (0, 1))
    except Exception:  # the parser and the registry raise errors of many kinds, all of which say that this is no such unit
        return None
    dimension = " ".join([str(one.dimensionality), *sorted(kept)])
    return Unit(dimension, float(f"{one.magnitude - zero.magnitude:.14g}"), float(zero.magnitude))
