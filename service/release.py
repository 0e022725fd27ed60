"""Which version of Setpoint this is."""

from functools import cache
from importlib.metadata import version


@cache
def release() -> str:
    """The installed version; looked up once, for the look-up reads a file."""
    return version("setpoint")
