"""The stored state of a series: it goes on where it stopped, and is replayed where what it rests on is another."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mappings.baseline.prior import Prior, build
from service.workflows.series import DAY_US, Entry, Series, begun, entry_of, reading_of

PRIORS = Path(__file__).resolve().parents[2] / "mappings/baseline/priors"


def prior(**more: Any) -> Prior:
    return build(json.loads((PRIORS / "tsh.json").read_text(encoding="utf-8")) | more)


def filled() -> Series:
    series = Series("tsh", prior(), None)
    for at, stream in enumerate(("", "urn:lab|a", "", "urn:lab|a", "")):
        series.place(Entry((20_000 + at) * DAY_US, f"Observation/{at}", 0, 2.0 + at / 10, stream))
    series.settle()
    return series


def test_every_stream_goes_on_where_it_stopped() -> None:
    whole = filled()
    again = Series("tsh", prior(), whole.dump())
    assert (again.outdated, again.states, again.dump()) == (False, whole.states, whole.dump())
    assert {name: state.n for name, state in again.states.items()} == {"": 3, "urn:lab|a": 2}
    assert begun(whole.dump()) == 20_000 * DAY_US


@pytest.mark.parametrize("change", [{"mcid": 0.7}, {"resolution": 0.5}, {"levels": {"0.005": 0.004, "0.025": 0.02, "0.975": 0.98, "0.995": 0.996}}], ids=str)
def test_another_prior_replays(change: dict[str, Any]) -> None:
    assert Series("tsh", prior(**change), filled().dump()).outdated
    assert not Series("tsh", prior(title="another name"), filled().dump()).outdated


@pytest.mark.parametrize("damage", [lambda raw: raw[:20], lambda raw: b"\0" * 8 + raw[8:], lambda raw: re.sub(rb"SPB\d", b"SPB0", raw)], ids=range(3))
def test_an_older_state_replays(damage: Any) -> None:
    assert Series("tsh", prior(), damage(filled().dump())).outdated


def test_a_row_keeps_its_stream_and_older_rows_have_none() -> None:
    entry = Entry(1, "Observation/1", 2, 3.0, "urn:lab|a", ("Observation/2",), "d")
    row = reading_of("Patient/1", "tsh", entry)
    assert entry_of(row).stream == "urn:lab|a"
    old = row._replace(body=json.dumps({"scored": True, "derived": [], "digest": ""}).encode())
    assert entry_of(old).stream == ""
