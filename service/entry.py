"""How a process comes to its house: settings, knowledge, store, parts. The only place that wires adapters into the service."""

from __future__ import annotations

from service.access import Access
from service.definitions import Definitions, compile_definitions
from service.house import House, assemble
from service.keys import Keys
from service.knowledge import Knowledge, load
from service.outgoing import outbound
from service.registry import Registry
from service.settings import Settings
from service.store.opening import open_store


async def open_house(settings: Settings, knowledge: Knowledge | None = None, definitions: Definitions | None = None) -> House:
    """Everything, ready to serve. Errors: BrokenKnowledge, SchemaOutdated, Unavailable."""
    knowledge = knowledge or load(settings.knowledge_dir)
    definitions = definitions or compile_definitions(knowledge)
    store = await open_store(settings.database_url, settings.statement_timeout_s)
    registry = Registry(store)
    keys = Keys(store, settings.secret_bytes)
    access = None if settings.auth == "open" else Access(settings, store, registry, keys, outbound(settings), outbound(settings, allow_private=True))
    return assemble(settings, knowledge, definitions, store, registry, keys, access)
