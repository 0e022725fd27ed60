"""A site's licensed interaction source, named in the settings and loaded at start."""

from importlib import import_module

from mappings.medicines.plug import External
from service.knowledge import Knowledge
from service.settings import PREFIX, Settings, SettingsError


def sources(settings: Settings, knowledge: Knowledge) -> tuple[External, ...]:
    """The sources of the settings; none is usual. Errors: SettingsError for a module or function that is not there."""
    if not settings.interactions:
        return ()
    module, _, name = settings.interactions.partition(":")
    try:
        call = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise SettingsError(f"{PREFIX}INTERACTIONS: there is no such function, or its module cannot be loaded") from None
    if not callable(call):
        raise SettingsError(f"{PREFIX}INTERACTIONS: this is no function")
    rxnorm = {drug.id: tuple(drug.rxnorm) for drug in knowledge.drugs.by_id.values()}
    return (External(module, call, rxnorm),)
