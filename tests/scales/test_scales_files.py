"""A broken scale file is refused, and the path leads to the element that is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mappings.knowledge import KnowledgeError, Path, line_of
from tests.scales import scale_files as files

Change = Callable[[dict[str, Any]], Any]


def put(value: Any, *path: str | int) -> Change:
    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


BROKEN: list[tuple[str, Change, Path]] = [
    ("phq-9", put([0, 28], "scores", 0, "range"), ("scores", 0, "range")),
    ("phq-9", put("11", "scores", 0, "of", 3), ("scores", 0, "of", 3)),
    ("phq-9", put(6, "scores", 0, "bands", "list", 1, "low"), ("scores", 0, "bands", "list", 1, "low")),
    ("phq-9", put(26, "scores", 0, "bands", "list", 4, "high"), ("scores", 0, "bands", "list", 4, "high")),
    ("phq-9", put(40, "scores", 0, "cutoffs", 0, "min"), ("scores", 0, "cutoffs", 0, "min")),
    ("phq-9", put(9, "scores", 0, "missing", "allowed"), ("scores", 0, "missing", "allowed")),
    ("phq-9", put("none", "scores", 0, "missing", "fill"), ("scores", 0, "missing", "fill")),
    ("phq-9", put("44250-9", "items", 1, "loinc"), ("items", 1, "loinc")),
    ("phq-9", put("1", "items", 1, "id"), ("items", 1, "id")),
    ("phq-9", put("often", "items", 4, "answers"), ("items", 4, "answers")),
    ("phq-9", put("phq-8", "scores", 0, "id"), ("scores", 0, "id")),
    ("phq-9", put(4, "safety", 0, "min"), ("safety", 0, "min")),
    ("phq-9", put(["19"], "safety", 0, "items"), ("safety", 0, "items", 0)),
    ("phq-9", put("phq-9.x", "change", 0, "score"), ("change", 0, "score")),
    ("phq-9", put("site", "licence", "wording"), ("items", 0, "wording")),
    ("who-5", put("who-5.row", "scores", 0, "of", 0, "score"), ("scores", 0, "of", 0, "score")),
    ("who-5", put(5, "scores", 0, "multiply"), ("scores", 0, "range")),
    ("promis-dep-4a", put(52.5, "scores", 0, "table", "13"), ("scores", 0, "table", "13")),
    ("mdq", put(5, "scores", 0, "screen", "when", "all", 0, "max"), ("scores", 0, "screen", "when", "all", 0)),
    ("qids-sr16", put("17", "scores", 0, "of", 0, "max", 0), ("scores", 0, "of", 0)),
    ("c-ssrs-screener", put("7", "skips", 0, "items", 1), ("skips", 0, "items", 1)),
    ("c-ssrs-screener", put("9", "scores", 0, "levels", 0, "when", "any", 0, "items", 1), ("scores", 0, "levels", 0, "when", "any", 0, "items", 1)),
]


@pytest.mark.parametrize(("name", "change", "path"), BROKEN, ids=lambda value: str(value)[:60] if not callable(value) else "")
def test_an_inconsistent_file_is_refused_at_the_wrong_element(name: str, change: Change, path: Path) -> None:
    data = files.raw(name)
    change(data)
    with pytest.raises(KnowledgeError) as caught:
        files.checked(data)
    assert caught.value.path == path
    assert line_of(json.dumps(data, indent=1), caught.value.path) > 1


TYPOS: list[tuple[Change, Path]] = [
    (put(True, "items", 2, "reversed"), ("items", 2)),
    (put("high-worse", "direction"), ("direction",)),
    (put("LA6568", "answers", "frequency", 0, "loinc"), ("answers", "frequency", 0)),
    (put(1, "scores", 0, "misssing"), ("scores", 0)),
]


@pytest.mark.parametrize(("change", "path"), TYPOS)
def test_a_typo_is_refused(change: Change, path: Path) -> None:
    data = files.raw("phq-9")
    change(data)
    with pytest.raises(KnowledgeError) as caught:
        files.checked(data)
    assert caught.value.path[: len(path)] == path


def test_scores_in_a_circle_are_refused() -> None:
    data = files.raw("who-5")
    data["scores"][1]["of"] = [{"score": "who-5"}]
    with pytest.raises(KnowledgeError, match="circle"):
        files.checked(data)


def test_no_unverified_code_is_shipped_and_wording_follows_the_licence() -> None:
    asking = {"isi", "psqi", "whodas-12", "wsas", "sds", "madrs", "mdq", "ymrs", "asrm", "epds", "asrs-18", "oci-r", "y-bocs"}
    no_wording = asking | {"panss", "pacs", "gass", "mars-10", "sapas"}
    for scale in files.library().values():
        codes = [*scale.codes, *scale.panel, *(code for rule in scale.rules for code in rule.codes)]
        assert all(code.status == "verified" for code in codes)
        if scale.id in no_wording:
            assert not any(item.wording for item in scale.items)
