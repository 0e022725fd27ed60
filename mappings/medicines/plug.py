"""The plug-in point for a licensed interaction source: what a site's own module must answer, and how its failure is said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mappings.medicines.interactions import Interaction
from mappings.medicines.prescription import Medicine

Asked = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]], str], Sequence[Mapping[str, Any]]]
"""(the medicine, the others, ISO day) -> rows. A medicine is `{"ref", "text", "drugs", "rxnorm", "active", "start", "end"}`; a row is
`{"id", "severity": high | moderate | low, "title", "text", "mitigation", "with": [refs of others], "source", "url"?}`."""
_SEVERITIES: Final = ("high", "moderate", "low")


@dataclass(frozen=True, slots=True)
class External:
    """One licensed source. `name` as the site calls it; `call` answers its rows and must not do I/O that waits."""

    name: str
    call: Asked
    rxnorm: Mapping[str, tuple[str, ...]]

    def ask(self, medicine: Medicine, others: Sequence[Medicine], on: str) -> list[Interaction]:
        """Its findings. A source that fails is said, never passed over: what it knows was not checked."""
        try:
            rows = self.call(self._plain(medicine), [self._plain(other) for other in others if other.active], on)
            return [self._finding(row, medicine) for row in rows]
        except Exception:  # whatever a foreign module raises must not stop a prescription from being stored and checked otherwise
            return [self._silent(medicine)]

    def _silent(self, medicine: Medicine) -> Interaction:
        return Interaction(
            code=f"external|{self.name}|silent", kind="unmapped", severity="moderate", title=f"The interaction source {self.name} did not answer",
            text="Its interactions were not checked for this medicine.", mitigation="Check by hand.", drugs=medicine.ingredients,
            refs=(medicine.ref,), source=self.name,
        )  # fmt: skip

    def _plain(self, medicine: Medicine) -> dict[str, Any]:
        codes = [code for drug in medicine.ingredients for code in self.rxnorm.get(drug, ())]
        return {"ref": medicine.ref, "text": medicine.text, "drugs": list(medicine.ingredients), "rxnorm": codes, "active": medicine.active,
                "start": medicine.start, "end": medicine.end}  # fmt: skip

    def _finding(self, row: Mapping[str, Any], medicine: Medicine) -> Interaction:
        if row["severity"] not in _SEVERITIES:
            raise ValueError("severity")
        return Interaction(
            code=f"external|{self.name}|{row['id']}", kind="interaction", severity=row["severity"], title=str(row["title"]), text=str(row["text"]),
            mitigation=str(row.get("mitigation", "")), drugs=medicine.ingredients, refs=(medicine.ref, *map(str, row.get("with", ()))),
            source=str(row.get("source", self.name)), url=row.get("url"),
        )  # fmt: skip
