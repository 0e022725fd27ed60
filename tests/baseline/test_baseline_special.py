"""The special functions of the compiled loops against scipy's and the standard library's, and the key under which the loops are kept."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from scipy.special import erfc

from mappings.baseline.compiled import detectors, people, special


def test_erfc_and_its_bell_over_the_whole_line() -> None:
    places = np.concatenate([np.linspace(-7, 7, 2001), np.linspace(7, 26, 500)])
    found = np.array([special.tail_and_bell(u) for u in places])
    np.testing.assert_allclose(found[:, 0], erfc(places), rtol=5e-15)
    np.testing.assert_allclose(found[:, 1], np.exp(-places * places), rtol=2e-13)
    assert special.tail_and_bell(np.inf) == (pytest.approx(0.0, abs=1e-300), pytest.approx(0.0, abs=1e-300))
    assert special.tail_and_bell(-np.inf)[0] == 2.0


def test_exponential_down_to_where_it_stays() -> None:
    places = -np.concatenate([np.linspace(0, 1, 300), np.linspace(1, 707, 900)])
    np.testing.assert_allclose([special.exponential(x) for x in places], np.exp(places), rtol=3e-16 * 4)
    assert 0 < special.exponential(-1e9) < 1e-300


@pytest.mark.parametrize("p", [1e-300, 1e-20, 0.005, 0.025, 0.0749, 0.0751, 0.3, 0.5, 0.7, 0.9249, 0.9251, 0.975, 0.995, 1 - 1e-12])
def test_normal_quantile(p: float) -> None:
    assert special.probit(p) == pytest.approx(NormalDist().inv_cdf(p), rel=1e-14, abs=1e-15)


def test_what_is_kept_on_disk_is_kept_for_this_code_only(monkeypatch: Any) -> None:
    """Numba's own key is the outermost function; a constant or a part that changes has to change it too."""
    before = people.fingerprint()
    monkeypatch.setattr(detectors, "_SLACK", 0.6)
    changed = people.fingerprint()
    monkeypatch.setattr(detectors, "_forward", special.compiled()(lambda model, x: x))
    assert len({before, changed, people.fingerprint()}) == 3
