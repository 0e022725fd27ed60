"""A prescription against ten medicines and a full panel, and the interpretation of a report of twenty genes; against json parsing of their input."""

import json
from typing import Any

from bench.scoring import best
from mappings.genes.genotype import genotype
from mappings.genes.phenotype import interpret
from mappings.medicines.checking import Context, Known, checked
from mappings.medicines.prescription import medicine_of
from mappings.medicines.warnings import Person
from service.knowledge import load

PANEL = {"CYP2D6": "*1/*4", "CYP2C19": "*2/*2", "CYP2C9": "*1/*3", "CYP2B6": "*6/*6", "CYP3A4": "*1/*22", "CYP3A5": "*3/*3", "HLA-A": "*31:01/*02:01",
         "HLA-B": "*15:02/*07:02"}  # fmt: skip
OTHERS = [f"GENE{number}" for number in range(12)]
TAKEN = ("lithium", "fluoxetine", "ibuprofen", "lisinopril", "quetiapine", "omeprazole", "tramadol", "clozapine", "valproate", "zolpidem")


def request(name: str, number: int) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "id": str(number), "status": "active", "intent": "order", "subject": {"reference": "Patient/1"},
            "medicationCodeableConcept": {"text": name}, "authoredOn": "2026-10-01"}  # fmt: skip


def main() -> None:
    """Two lines."""
    own = load()
    known = Known(own.genes, own.guidance, own.inhibitors, own.drugs, own.interactions, own.warnings, own.monitoring)
    texts = [*PANEL.items(), *((name, "*1/*2") for name in OTHERS)]
    report = json.dumps(texts)
    interpreted = [interpret(own.genes, genotype(gene, text)) for gene, text in texts]
    medicines = [medicine_of(request(name, number), own.drugs) for number, name in enumerate(TAKEN)]
    body = json.dumps(request("citalopram", 99))

    def check() -> Any:
        context = Context(medicines, interpreted, [], Person(70, "female", None, True), "2026-11-01")
        return checked(known, medicine_of(json.loads(body), own.drugs), 40.0, context)

    checking, parsing = best(check, 10, 20), best(lambda: json.loads(body), 10, 400)
    found = len(check().standing)
    print(f"  prescription against {len(TAKEN)} medicines and {len(PANEL)} genes, {found} findings: {checking / 1000:.2f} ms, "
          f"{checking / parsing:.0f} times json parsing (goal 2 ms)")  # fmt: skip
    reading = best(lambda: [interpret(own.genes, genotype(gene, text)) for gene, text in texts], 10, 20)
    base = best(lambda: json.loads(report), 10, 400)
    print(f"  interpreting {len(texts)} genes: {reading / 1000:.2f} ms, {reading / base:.0f} times json parsing (goal 5 ms)", flush=True)


if __name__ == "__main__":
    main()
