"""The parts of a scale, as its file declares them. All frozen; lookups are built once so that scoring only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mappings.scales.condition import Condition, Number
from mappings.vocabulary import Json


@dataclass(frozen=True, slots=True)
class Code:
    """A standard code of a panel, a score or the scale. Only those with status "verified" leave the service."""

    system: str
    code: str
    status: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Licence:
    """On what terms the scale may be used, and whether its wording ships with us."""

    state: str
    wording: str
    notice: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One answer. `score` is what enters the sum (reversal applied); None for "not assessed". `boolean`: the yes/no it stands for;
    `concept`: the answer as an Observation's value, its score beside its code. Shared by all that is made: not to be changed."""

    system: str
    code: str
    text: str
    score: Number | None
    boolean: bool | None
    concept: Json


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `wording` says whether `text` is the scale's own wording or a topic in our words.

    `link` is its linkId in our Questionnaire; `by_code` finds an option (historic codes too), `by_score` the printed one.
    `low` and `high` are the least and the highest score that can enter a sum; `whole`: only integers are answers.
    `concept`: the code of its Observation. Shared, not to be changed.
    """

    id: str
    link: str
    system: str
    code: str
    text: str
    wording: bool
    options: tuple[Option, ...]
    by_code: Mapping[str, Option]
    by_score: Mapping[Number, Option]
    low: Number
    high: Number
    whole: bool
    concept: Json


@dataclass(frozen=True, slots=True)
class Band:
    """A severity band, both ends inclusive, in the units of its score."""

    low: Number
    high: Number
    text: str
    code: str
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cutoff:
    """A published cut-off and what meeting or missing it means. `group`: whom it is for, where it differs between people."""

    low: Number | None
    high: Number | None
    met: str
    not_met: str
    group: str
    source: tuple[str, ...]

    def is_met(self, value: Number) -> bool:
        """Whether the score meets it."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class Missing:
    """How many parts may be missing, how they are then filled ("prorate": mean of the answered), and the rounding of that sum."""

    allowed: int
    fill: Literal["none", "prorate"]
    rounding: Literal["half-up", "none"]
    evidence: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """When `when` holds, these items were rightly not asked: they count `score`, or are left out of the sum where it is None.

    `always`: their answers are set aside even where they were given.
    """

    when: Condition
    items: tuple[str, ...]
    score: Number | None
    always: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a score: the highest of `refs` (items, or one other score), times `weight`, less `minus`.

    With `when`, it is `weight` where the condition holds and 0 where it does not. `need`: how many of the refs must be
    answered (all of them for a domain maximum, one for an either-or).
    """

    refs: tuple[str, ...]
    is_score: bool
    weight: Number
    minus: Number
    need: int
    when: Condition | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is one item, as it stands."""
        return not self.is_score and self.when is None and len(self.refs) == 1 and self.weight == 1 and self.minus == 0


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a score that is no number. `when` is None for the lowest, which holds when no other does."""

    code: str
    text: str
    when: Condition | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class Screen:
    """A verdict that needs more than the score itself."""

    when: Condition
    positive: str
    negative: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one score comes about. `kind`: "number" from parts, "boolean" from `holds`, "level" from levels, "profile" (no total).

    A number is multiplied by `multiply` and read in `table` where there is one. `items`: all it can use, in order; `links`: their linkIds.
    `plain`: the items of a score that simply adds them up, else empty.
    """

    code: str
    title: str
    kind: Literal["number", "boolean", "level", "profile"]
    codes: tuple[Code, ...]
    items: tuple[str, ...]
    links: tuple[str, ...]
    parts: tuple[Part, ...]
    plain: tuple[str, ...]
    multiply: Number
    table: Mapping[Number, Number] | None
    low: Number
    high: Number
    missing: Missing
    bands: tuple[Band, ...]
    cutoffs: tuple[Cutoff, ...]
    screen: Screen | None
    holds: Condition | None
    levels: tuple[Level, ...]
    source: tuple[str, ...]
    concept: Json


@dataclass(frozen=True, slots=True)
class SafetyRule:
    """A finding that must reach a person whatever the total: any of `items` at `low` or more, or `score` at `low` or more."""

    code: str
    items: tuple[str, ...]
    score: str | None
    low: Number
    level: str
    text: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeFact:
    """One published change statistic, for the methods that judge change. `kind` as in the schema; numbers in score points
    unless `percent`; `floor` is taken off both scores before a percentage (PANSS)."""

    kind: str
    score: str
    value: Number | None
    low: Number | None
    high: Number | None
    percent: bool
    floor: Number
    r: Number | None
    mean: Number | None
    sd: Number | None
    sample: str
    note: str
    evidence: str
    source: tuple[str, ...]
