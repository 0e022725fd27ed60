"""Writes tests/genes/profiles.json: what HL7 Genomics Reporting 3.0.0 asks of the resources we emit, taken from its StructureDefinitions.

    .venv/bin/python tools/generate_genomics.py hl7.fhir.uv.genomics-reporting-3.0.0.tgz

The package (CC0-1.0) comes from the npm registry: npm pack hl7.fhir.uv.genomics-reporting@3.0.0
"""

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

PROFILES = ("genotype", "therapeutic-implication", "genomic-report", "medication-recommendation")
OUT = Path(__file__).resolve().parents[1] / "tests/genes/profiles.json"


def constraints(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """Each element's id, how often it stands, its types, and the pattern that it must match. Extensions and contained are left out."""
    found = []
    for element in definition["snapshot"]["element"]:
        if ".extension" in element["id"] or ".contained" in element["id"] or "." not in element["id"]:
            continue
        pattern = next((value for key, value in element.items() if key.startswith(("pattern", "fixed"))), None)
        if pattern is None and not element.get("min") and element.get("max") != "0" and not element.get("sliceName"):
            continue
        row = {"id": element["id"], "min": element.get("min", 0), "max": element.get("max", "*"), "types": [each["code"] for each in element.get("type", [])]}
        found.append(row | ({"pattern": pattern} if pattern is not None else {}))
    return found


def main() -> None:
    """Write the table."""
    made: dict[str, Any] = {"source": "npm hl7.fhir.uv.genomics-reporting 3.0.0 (CC0-1.0)", "profiles": {}}
    with tarfile.open(sys.argv[1]) as package:
        for name in PROFILES:
            member = package.extractfile(f"package/StructureDefinition-{name}.json")
            assert member is not None
            definition = json.load(member)
            made["profiles"][definition["url"]] = {"type": definition["type"], "elements": constraints(definition)}
    OUT.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
