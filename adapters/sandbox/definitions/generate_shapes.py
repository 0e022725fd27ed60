"""Writes shapes.json from the npm packages hl7.fhir.r4.examples and hl7.fhir.r4.expansions 4.0.1 (both CC0).

    python adapters/sandbox/definitions/generate_shapes.py EXAMPLES_PACKAGE_FOLDER EXPANSIONS_PACKAGE_FOLDER

For each type: element name -> [least, most ("1" or "*"), types, codes of a required binding when few]. It is made apart
from mappings/r4 on purpose.
"""

import json
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
HERE = Path(__file__).parent
MOST_CODES = 80


def main(examples: Path, expansions: Path) -> None:
    """Walks from the kept resource types to every data type they use."""
    wanted = [*json.loads((HERE / "types.json").read_text(encoding="utf-8"))["types"]]
    shapes: Json = {}
    while wanted:
        name = wanted.pop()
        path = examples / f"StructureDefinition-{name}.json"
        if name in shapes or not name[0].isupper() or name in ("Resource",) or not path.exists():
            continue
        for shape, elements in structure(json.loads(path.read_text(encoding="utf-8")), expansions).items():
            shapes[shape] = elements
            wanted += [kind for element in elements.values() for kind in element[2]]
    source = ["hl7.fhir.r4.examples 4.0.1 (CC0-1.0)", "hl7.fhir.r4.expansions 4.0.1 (CC0-1.0)"]
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(shapes[name], separators=(',', ':'))}" for name in sorted(shapes))
    (HERE / "shapes.json").write_text(f'{{"source": {json.dumps(source)},\n"shapes": {{\n{lines}\n}}}}\n', encoding="utf-8")


def structure(definition: Json, expansions: Path) -> Json:
    """The shape of one type and of its backbone elements, by path."""
    found: Json = {}
    for element in definition["snapshot"]["element"]:
        owner, _, name = element["path"].rpartition(".")
        if owner:
            found.setdefault(owner, {})[name] = [element["min"], "1" if element["max"] == "1" else "*", kinds(element), *codes(element, expansions)]
    return found


def kinds(element: Json) -> list[str]:
    """Type names; a backbone element is named by its path."""
    if "contentReference" in element:
        return [element["contentReference"].removeprefix("#")]
    names = [kind["code"].rpartition("/")[2].removeprefix("System.").replace("String", "string") for kind in element["type"]]
    return [element["path"] if name in ("BackboneElement", "Element") else name for name in names]


def codes(element: Json, expansions: Path) -> list[list[str]]:
    """The codes of a required binding on a `code`, when the value set is small enough to be a closed list."""
    binding = element.get("binding", {})
    if binding.get("strength") != "required" or [kind["code"] for kind in element.get("type", [])] != ["code"]:
        return []
    path = expansions / f"ValueSet-{binding['valueSet'].partition('|')[0].rpartition('/')[2]}.json"
    if not path.exists():
        return []
    contained: list[str] = []
    waiting = list(json.loads(path.read_text(encoding="utf-8")).get("expansion", {}).get("contains", []))
    while waiting:
        item = waiting.pop(0)
        contained += [] if item.get("abstract") else [item["code"]]
        waiting += item.get("contains", [])
    return [contained] if 0 < len(contained) <= MOST_CODES else []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
