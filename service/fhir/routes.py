"""The whole REST API as one table: which module answers which request (http.html, 3.1.0)."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from service.errors import Kind, Refusal
from service.fhir import (
    across,
    baseline,
    batch,
    capabilities,
    check,
    create,
    delete,
    deviation,
    everything,
    extract,
    history,
    lastn,
    meta,
    next_question,
    patch,
    populate,
    read,
    review,
    search,
    stats,
    update,
    validate,
    vread,
)
from service.fhir.answer import Answer
from service.fhir.call import Call

Handler = Callable[[Call], Awaitable[Answer]]


class Route(NamedTuple):
    """One row of the table. `shape`: T a kept type, I an id, V a version, anything else literal. `draws`: also answers images."""

    method: str
    shape: str
    interaction: str
    handler: Handler
    draws: bool = False


ROUTES: tuple[Route, ...] = (
    Route("GET", "T/I", "read", read.read),
    Route("POST", "T", "create", create.create),
    Route("GET", "T", "search-type", search.search),
    Route("POST", "T/_search", "search-type", search.search_by_post),
    Route("GET", "Patient/I/T", "search-type", search.search_compartment),
    Route("GET", "Patient/I/*", "search-system", across.search_compartment_whole),
    Route("GET", "", "search-system", across.search_system),
    Route("POST", "_search", "search-system", across.search_system_by_post),
    Route("PUT", "T/I", "update", update.update),
    Route("PUT", "T", "update", update.conditional_update),
    Route("PATCH", "T/I", "patch", patch.patch),
    Route("PATCH", "T", "patch", patch.conditional_patch),
    Route("DELETE", "T/I", "delete", delete.delete),
    Route("DELETE", "T", "delete", delete.conditional_delete),
    Route("GET", "T/I/_history", "history-instance", history.history),
    Route("GET", "T/_history", "history-type", history.history_type),
    Route("GET", "_history", "history-system", history.history_system),
    Route("GET", "T/I/_history/V", "vread", vread.vread),
    Route("POST", "", "transaction", batch.batch),
    Route("GET", "metadata", "capabilities", capabilities.capabilities),
    Route("POST", "CarePlan/I/$review", "operation", review.review),
    Route("GET", "Patient/I/$everything", "operation", everything.everything),
    Route("POST", "Patient/I/$everything", "operation", everything.everything),
    Route("GET", "Patient/$everything", "operation", everything.everything),
    Route("POST", "Patient/$everything", "operation", everything.everything),
    Route("GET", "Observation/$lastn", "operation", lastn.lastn),
    Route("POST", "Observation/$lastn", "operation", lastn.lastn),
    Route("GET", "Observation/$stats", "operation", stats.stats),
    Route("POST", "Observation/$stats", "operation", stats.stats),
    Route("POST", "Observation/$deviation", "operation", deviation.deviate),
    Route("POST", "T/$validate", "operation", validate.validate),
    Route("POST", "T/I/$validate", "operation", validate.validate),
    Route("GET", "T/I/$validate", "operation", validate.validate),
    Route("GET", "$meta", "operation", meta.meta),
    Route("GET", "T/$meta", "operation", meta.meta),
    Route("GET", "T/I/$meta", "operation", meta.meta),
    Route("POST", "T/I/$meta-add", "operation", meta.meta_add),
    Route("POST", "T/I/$meta-delete", "operation", meta.meta_delete),
    Route("POST", "MedicationRequest/$check", "operation", check.check),
    Route("POST", "Questionnaire/$next-question", "operation", next_question.next_question),
    Route("POST", "Questionnaire/$populate", "operation", populate.populate),
    Route("GET", "Questionnaire/I/$populate", "operation", populate.populate),
    Route("POST", "Questionnaire/I/$populate", "operation", populate.populate),
    Route("POST", "QuestionnaireResponse/$extract", "operation", extract.extract),
    Route("GET", "QuestionnaireResponse/I/$extract", "operation", extract.extract),
    Route("POST", "QuestionnaireResponse/I/$extract", "operation", extract.extract),
    Route("GET", "Patient/I/$baseline", "operation", baseline.baseline, draws=True),
)
_OPEN = {"metadata"}
"""Answered without a token (http.html: capabilities; SMART)."""


def _key(shape: str) -> tuple[str, ...]:
    return tuple(shape.split("/")) if shape else ()


_TABLE: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
for _route in ROUTES:
    _TABLE.setdefault((_route.method, len(_key(_route.shape))), []).append((_key(_route.shape), _route))


def _fits(pattern: tuple[str, ...], parts: list[str]) -> bool:
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted == "T":
            if not part[:1].isupper():
                return False
        elif (wanted not in ("I", "V") and wanted != part) or (wanted in ("I", "V") and part[:1] in "_$"):
            return False
    return True


def find(method: str, parts: list[str]) -> Route:
    """The route of a request; HEAD goes where GET goes. Errors: 404 for a path that is none, 405 for a method it does not take."""
    method = "GET" if method == "HEAD" else method
    for pattern, route in _TABLE.get((method, len(parts)), ()):
        if _fits(pattern, parts):
            return route
    for (other, length), rows in _TABLE.items():
        if other != method and length == len(parts) and any(_fits(pattern, parts) for pattern, _ in rows):
            raise Refusal(Kind.NOT_ALLOWED, "This method is not offered here")
    raise Refusal(Kind.NOT_FOUND, "There is no such address in this API", code="not-supported")


def is_open(route: Route) -> bool:
    """Whether the route is answered without a token."""
    return route.shape in _OPEN
