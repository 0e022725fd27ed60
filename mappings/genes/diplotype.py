"""Star-allele writing: a laboratory's text becomes the alleles it names, or nothing. Not understood is never guessed."""

import re
from dataclasses import dataclass
from typing import Final

# One allele: star, number, an older upper-case suballele letter, a PharmVar suballele (`.024`, dropped), a copy count.
_ALLELE: Final = re.compile(r"\*([0-9]{1,3})([A-Z]?)(?:\.[0-9]{1,4})?(?:[xX×](≥?[1-9][0-9]?|[Nn]))?")
# HLA: allele group, protein, further fields (dropped), expression suffix or G/P group.
_HLA: Final = re.compile(r"\*?([0-9]{2,3})(?::([0-9]{2,4}))?(?::[0-9]{2,4}){0,2}([NLSCAQGP]?)")
_SEPARATOR: Final = re.compile(r"[/|]")


@dataclass(frozen=True, slots=True)
class Diplotype:
    """The alleles of one gene, lowest first. Two; HLA may name one. `str()` writes `*1/*4`, `*10/*36+*10`, `*1/*2x≥3`."""

    alleles: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.alleles)


def _number(allele: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(digits) for digits in re.findall(r"\d+", allele)), allele


def hybrid_key(allele: str) -> str:
    """The parts of a tandem in one order, so that `*10+*36` is `*36+*10`."""
    return "+".join(sorted(allele.split("+"), key=_number))


def _star(text: str) -> str | None:
    parts = []
    for part in text.split("+"):
        found = _ALLELE.fullmatch(part)
        if not found:
            return None
        number, letter, count = found.groups()
        parts.append(f"*{number}{letter}" + (f"x{'N' if count in 'Nn' else count}" if count else ""))
    return "+".join(parts)


def _hla(text: str) -> str | None:
    found = _HLA.fullmatch(text)
    if not found:
        return None
    group, protein, suffix = found.groups()
    return f"*{group}" + (f":{protein}" if protein else "") + (suffix if suffix not in "GP" else "")


def parse(gene: str, text: str) -> Diplotype | None:
    """The diplotype of `gene` that a text names: `*1/*4`, `CYP2D6*1/*4`, `*4 | *1`, `CYP2D6 *1/CYP2D6 *4`, `*36 + *10/*1`.

    None for three alleles, lower-case writing, `*1x0`, another gene's name, one allele of a gene that is not HLA, free text.
    """
    hla = gene.startswith("HLA")
    prefixes = (gene, gene.removeprefix("HLA-")) if hla else (gene,)
    plain = re.sub(r"\s*([/|+])\s*", r"\1", text.strip()).replace(">=", "≥")
    alleles = []
    for half in _SEPARATOR.split(plain):
        bare = next((half.removeprefix(prefix).lstrip() for prefix in prefixes if half.startswith(prefix)), half)
        allele = _hla(bare) if hla else _star(bare)
        if allele is None:
            return None
        alleles.append(allele)
    if len(alleles) != 2 and not (hla and len(alleles) == 1):
        return None
    return Diplotype(tuple(sorted(alleles, key=_number)))
