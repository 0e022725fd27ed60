"""Writes mappings/r4/definitions/units.json: the units of clinical quantities by dimension, worked out by ucumvert (MIT) from the UCUM essence.

    python tools/generate_units.py

A unit that is not in the file is worked out when it is met; the file only spares the service from loading the library (two seconds).
"""

import json
from pathlib import Path

from ucumvert import PintUcumRegistry

from mappings.r4.ucum import unit

OUT = Path(__file__).parent.parent / "mappings/r4/definitions/units.json"
MASSES = ["kg", "g", "mg", "ug", "ng", "pg", "fg", "[lb_av]", "[oz_av]"]
AMOUNTS = ["mol", "mmol", "umol", "nmol", "pmol", "fmol", "eq", "meq", "osm", "mosm", "k[IU]", "[IU]", "m[IU]", "u[IU]", "U", "mU", "kU", "10*3", "10*6",
           "10*9", "10*12"]  # fmt: skip
VOLUMES = ["L", "dL", "mL", "uL", "m3"]
TIMES = ["s", "ms", "min", "h", "d", "wk", "mo", "a"]
LENGTHS = ["m", "cm", "mm", "um", "nm", "km", "[in_i]", "[ft_i]"]
OTHERS = ["%", "1", "K", "Cel", "[degF]", "mm[Hg]", "kPa", "Pa", "cm[H2O]", "bar", "Hz", "J", "kJ", "cal", "kcal", "W", "V", "mV", "uV", "m2", "cm2", "kg/m2",
          "g/m2", "mg/g", "ug/g", "mg/mmol", "g/mol", "mmol/mol", "mL/min", "L/min", "mL/min/{1.73_m2}", "mL/min/m2", "/min", "/h", "/d", "/s", "{beats}/min",
          "{breaths}/min",
          "m/s", "km/h", "mosm/kg", "osm/kg", "/uL", "/L", "/mL", "fL", "pg/{cell}", "deg", "rad", "mg/kg", "ug/kg", "mg/m2"]  # fmt: skip


def codes() -> list[str]:
    """Every code that is written down."""
    over = [f"{top}/{below}" for top in (*MASSES, *AMOUNTS) for below in VOLUMES]
    rates = [f"{top}/{below}" for top in (*MASSES, *AMOUNTS[:8], *VOLUMES) for below in TIMES]
    by_weight = [f"{top}/kg/{below}" for top in ("mg", "ug", "mL") for below in TIMES]
    return [*MASSES, *AMOUNTS, *VOLUMES, *TIMES, *LENGTHS, *OTHERS, *over, *rates, *by_weight]


def main() -> None:
    """Write the file."""
    registry = PintUcumRegistry()
    found = {code: unit(code, registry) for code in dict.fromkeys(codes())}
    units = {code: [each.dimension, each.factor, *([each.offset] if each.offset else [])] for code, each in sorted(found.items()) if each}
    left = sorted(code for code, each in found.items() if each is None)
    about = "UCUM units of clinical quantities: dimension, factor and offset to base units. Made by tools/generate_units.py with ucumvert (UCUM essence 2.2)."
    source = {"source": "UCUM essence 2.2 (https://ucum.org) by ucumvert 0.3.2", "license": "UCUM terms of use, see docs/notices.md"}
    lines = ",\n".join(f"  {json.dumps(code)}: {json.dumps(each)}" for code, each in units.items())
    OUT.write_text(f'{{\n "about": {json.dumps(about)},\n {json.dumps(source)[1:-1]},\n "units": {{\n{lines}\n }}\n}}\n', encoding="utf-8")
    print(f"{len(units)} units; not linear or not UCUM: {left}")


if __name__ == "__main__":
    main()
