"""JSON Patch on a resource: https://www.rfc-editor.org/rfc/rfc6902 (R4 http.html#patch)."""

from typing import Any

import jsonpatch
import jsonpointer

from mappings.r4 import exact_json

MOST_OPERATIONS = 1000


class BadPatch(ValueError):
    """The patch itself is not one."""


class PatchFails(ValueError):
    """The patch cannot be applied to this resource: a path leads nowhere, or a test does not hold. `at`: which operation, from 0."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


def apply(patch: Any, resource: Any, longest: int) -> Any:
    """The patched resource; the given one stays as it is. `longest`: bytes that it may have in between (copies can grow it beyond reason).

    `patch` and `resource` are values of exact_json. Errors: BadPatch, PatchFails.
    """
    if not isinstance(patch, list) or len(patch) > MOST_OPERATIONS or not all(isinstance(each, dict) for each in patch):
        raise BadPatch(f"A JSON Patch is an array of at most {MOST_OPERATIONS} operations")
    found = exact_json.loads(exact_json.dumps(resource))
    for at, operation in enumerate(patch):
        try:
            found = jsonpatch.apply_patch(found, [operation], in_place=True)
        except (jsonpatch.InvalidJsonPatch, TypeError) as error:
            raise BadPatch(f"Operation {at} is not one of RFC 6902") from error
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, KeyError, IndexError) as error:
            failed = "the test does not hold" if isinstance(error, jsonpatch.JsonPatchTestFailed) else "its path leads nowhere"
            raise PatchFails(at, f"Operation {at} cannot be applied: {failed}") from error
        if operation.get("op") == "copy" and len(exact_json.dumps(found)) > longest:
            raise PatchFails(at, f"Operation {at} makes the resource too large")
    return found
