"""Special functions for compiled code: exp, erfc and the normal quantile, written so that a loop over grid points runs on vector registers.

The library's own are calls, one number at a time, and were two thirds of the time of a batch. Errors are a few units in the last place
(tests/baseline/test_baseline_special.py compares with mpmath-grade values of scipy).
"""

from collections.abc import Callable
from math import factorial, log, sqrt
from typing import Any, Final

import numpy as np
from numba import njit

_LOG2E: Final = 1.4426950408889634
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_SHIFTER: Final = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to a whole number, which then stands in the low bits
_F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13 = (1.0 / factorial(n) for n in range(3, 14))
_LOWEST: Final = -708.0
FARTHEST: Final = 40.0
"""erfc beyond it is 0 for any purpose here."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A part of a compiled loop. It is not kept on disk by itself: what is loaded from there cannot be woven into its caller."""

    def made(function: Callable[..., Any]) -> Any:
        return njit(error_model="numpy", **options)(function)

    return made


def kept(function: Callable[..., Any]) -> Any:
    """A compiled loop with all its parts, kept on disk beside its module; where nothing can be written it is compiled by every process."""
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no directory for its cache
        return njit(error_model="numpy")(function)


@compiled(fastmath={"contract"}, forceinline=True)
def exponential(x: float) -> float:
    """e to the x for x <= 0; below -708 it stays at 1e-308."""
    x = max(x, _LOWEST)
    shifted = x * _LOG2E + _SHIFTER
    whole = shifted - _SHIFTER
    r = x - whole * _LN2_HIGH - whole * _LN2_LOW
    # Pairs, then pairs of pairs: a chain of fourteen steps would wait for each.
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + (0.5 + r * _F3) * r2
    middle = (_F4 + r * _F5) + (_F6 + r * _F7) * r2
    high = (_F8 + r * _F9) + (_F10 + r * _F11) * r2 + (_F12 + r * _F13) * r4
    p = low + (middle + high * r4) * r4
    bits = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52)
    return p * bits.view(np.float64)


@compiled(fastmath={"contract"}, forceinline=True)
def tail_and_bell(u: float) -> tuple[float, float]:
    """(erfc(u), exp(-u^2)), which share the exponential.

    (1 + 2 a) exp(a^2) erfc(a) is a smooth function of (a - 3) / (a + 3) (Shepherd and Laframboise, Math Comp 1981;36:249-253); this is its
    Chebyshev interpolant of degree 22, worked out with 40 digits, relative error 5e-16.
    """
    a = min(abs(u), FARTHEST)
    bell = exponential(-a * a)
    one = 1.0 + 2.0 * a
    over = 1.0 / ((a + 3.0) * one)
    t = (a - 3.0) * one * over
    t2 = t * t
    t4 = t2 * t2
    t8 = t4 * t4
    q0 = (1.2530080582697296 - 0.13562110612457573 * t) + (-0.04756229435344576 + 0.129645158702281 * t) * t2
    q1 = (-0.11927366341575335 + 0.06830802735644051 * t) + (-0.02377051490712486 + 0.0025293916666211625 * t) * t2
    q2 = (0.0018886902217603342 - 0.000779831276440303 * t) + (-0.000105158888745708 + 0.00012509529969692863 * t) * t2
    q3 = (4.945791788878783e-06 - 2.0089974601937562e-05 * t) + (-7.218910913909693e-07 + 3.4542640815449015e-06 * t) * t2
    q4 = (3.4040811203344006e-07 - 5.963735757072212e-07 * t) + (-1.232972365581405e-07 + 8.764763429942915e-08 * t) * t2
    q5 = (2.900096033455807e-08 - 7.639805706660184e-09 * t) - 3.3911975149641994e-09 * t2
    p = (q0 + q1 * t4) + ((q2 + q3 * t4) + (q4 + q5 * t4) * t8) * t8
    tail = bell * p * (a + 3.0) * over
    return (tail if u >= 0 else 2.0 - tail), bell


@compiled()
def probit(p: float) -> float:
    """The normal score of a probability, 0 < p < 1: Wichura's algorithm AS 241 (Appl Statist 1988;37:477-484), 16 digits."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        above = ((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r
                   + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r + 1.3314166789178437745e2) * r + 3.3871328727963666080e0  # fmt: skip
        below = ((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r
                   + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r + 4.2313330701600911252e1) * r + 1.0  # fmt: skip
        return q * above / below
    r = sqrt(-log(p if q <= 0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        above = ((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r + 1.27045825245236838258e0) * r
                   + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r + 4.63033784615654529590e0) * r + 1.42343711074968357734e0  # fmt: skip
        below = ((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r
                   + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r + 2.05319162663775882187e0) * r + 1.0  # fmt: skip
    else:
        r -= 5.0
        above = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r
                   + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r + 5.46378491116411436990e0) * r + 6.65790464350110377720e0  # fmt: skip
        below = ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r
                   + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r + 5.99832206555887937690e-1) * r + 1.0  # fmt: skip
    return (above / below) if q > 0 else -(above / below)
