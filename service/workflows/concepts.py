"""The concepts of our CodeSystem that belong to no scale."""

from typing import Final

from mappings.medicines import monitoring
from mappings.suggestions import review_points
from mappings.suggestions.rule import KINDS

OWN_CONCEPTS: Final = [
    {
        "code": "derived",
        "display": "Derived by Setpoint",
        "definition": "The resource was made by this service from what it rests on; it is not edited by hand.",
    },
    {"code": "suggestion", "display": "Suggestion for review"},
    review_points.CONCEPT,
    monitoring.CONCEPT,
    *({"code": f"activity.{kind}", "display": kind.replace("-", " ").capitalize()} for kind in KINDS),
    {"code": "deviation", "display": "Deviation from the person's own baseline"},
    {"code": "z", "display": "z of the value under the person's predictive distribution"},
    {"code": "p", "display": "Two-sided probability of a value at least this far out"},
    {"code": "set-point", "display": "Set point: the person's expected value"},
    {"code": "lower", "display": "Lower limit of the personal 95 % interval"},
    {"code": "upper", "display": "Upper limit of the personal 95 % interval"},
    {"code": "n", "display": "Number of earlier values used"},
    {"code": "method", "display": "Method of the baseline"},
    {"code": "version", "display": "Version of the method"},
]
