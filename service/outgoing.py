"""The hardened HTTP client of this installation."""

from adapters.http import Outbound
from service.settings import Settings


def outbound(settings: Settings, allow_private: bool = False) -> Outbound:
    """A client with the settings' certificate authorities and proxy; private ranges only where an admin allowed them."""
    return Outbound(ca_file=settings.ca_file, proxy=settings.proxy, allow_private=allow_private)
