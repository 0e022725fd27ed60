"""Synthetic laboratory inputs in the shapes that the facts describe (pgx-pharmcat-schema.json, pgx-hl7v2.json)."""

import json
from typing import Any

Json = dict[str, Any]


def call(one: str, two: str, phenotype: str, score: str | None = None) -> Json:
    return {"allele1": {"gene": "G", "name": one, "function": "x"}, "allele2": {"gene": "G", "name": two, "function": "x"}, "phenotypes": [phenotype],
            "activityScore": score, "label": f"{one}/{two}", "lookupKey": [phenotype]}  # fmt: skip


def gene(name: str, *calls: Json, source: str = "MATCHER") -> Json:
    return {"geneSymbol": name, "callSource": source if calls else "NONE", "sourceDiplotypes": list(calls), "recommendationDiplotypes": list(calls)}


GENES = {
    "CYP2C19": gene("CYP2C19", call("*2", "*2", "Poor Metabolizer")),
    "CYP2D6": gene("CYP2D6", call("*1", "*4", "Intermediate Metabolizer", "1.0"), source="OUTSIDE"),
    "CYP2B6": gene("CYP2B6"),
}


def pharmcat(shape: str, **more: Any) -> bytes:
    """2: a source above the genes; 3.1: genes directly; phenotype: the phenotyper's file."""
    head: Json = {"title": "Jane Doe", "timestamp": "2026-10-01T08:00:00Z", "pharmcatVersion": {"2": "2.15.4", "3.1": "3.1.0"}.get(shape, "3.0.0")}
    if shape == "2":
        return json.dumps(head | {"genes": {"CPIC": GENES, "DPWG": GENES}, "drugs": {}} | more).encode()
    return json.dumps(head | {"geneReports" if shape == "phenotype" else "genes": GENES} | more).encode()


def oru(patient: str = "4711^^^HOSP^MR", name: str = "Doe^Jane", born: str = "19800102", sex: str = "F", rows: tuple[str, ...] = (), msh: str = "") -> bytes:
    head = msh or "MSH|^~\\&|LIS|LAB|EHR|HOSP|20261001080000+0000||ORU^R01^ORU_R01|MSG7|P|2.5.1||||||UNICODE UTF-8"
    lines = [head, f"PID|1||{patient}||{name}||{born}|{sex}", "OBR|1||F-77^LIS|51969-4^Genetic analysis summary^LN|||20260930", *rows]
    return ("\r".join(lines) + "\r").encode()


LOINC_ROWS = (
    "OBX|1|CWE|48018-6^Gene studied^LN|1a|HGNC:2621^CYP2C19^HGNC-ID||||||F",
    "OBX|2|CWE|84413-4^Genotype display name^LN|1a|^*2/*2||||||F",
    "OBX|3|CWE|53040-2^Effect on drug metabolism^LN|1a|LA9657-3^Poor metabolizer^LN||||||F",
    "OBX|4|ST|79715-9^CYP2D6 gene targeted mutation analysis^LN|1b|*1/*4||||||F",
    "OBX|5|CWE|48018-6^Gene studied^LN|1c|HGNC:2623^CYP2C9^HGNC-ID||||||P",
    "OBX|6|CWE|84413-4^Genotype display name^LN|1c|^*1/*1||||||P",
)
VENDOR_ROWS = (
    "OBX|1|CWE|VARCONCEPT514^Gene studied^EPIC|4d|2625^CYP2D6^HGNC||||||F",
    "OBX|2|ST|VARCONCEPT506^Genotype name^EPIC|4d|*4/*4||||||F",
    "OBX|3|NR|VARCONCEPT566^Activity score^EPIC|4d|0.0||||||F",
    "OBX|4|CWE|VARCONCEPT570^Effect value^EPIC|4d|^Poor Metabolizer||||||F",
    "OBX|5|ST|VARCONCEPT504^Variant name^EPIC|2a|HLA-A *31:01||||||F",
    "OBX|6|CWE|VARCONCEPT552^Assessment^EPIC|2a|^Detected||||||F",
)
