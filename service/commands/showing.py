"""`setpoint openapi`, `settings`, `check`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service.commands.console import AsJson, fail, read_settings, show, show_one


def openapi(out: Annotated[Path | None, typer.Option(help="write to a file instead of standard output")] = None) -> None:
    """The OpenAPI document of the service."""
    from service.openapi import document

    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")


def settings(as_json: AsJson = False) -> None:
    """Every setting, its default and where its value came from; secrets hidden."""
    from service.settings import described

    show(described(read_settings()), as_json)


def check(
    knowledge_dir: Annotated[Path | None, typer.Option("--knowledge-dir", help="a site's own files, beside ours")] = None, as_json: AsJson = False
) -> None:
    """Validate every knowledge file. Exit code 1 with file and line of each finding."""
    from service.definitions import compile_definitions
    from service.knowledge import BrokenKnowledge, load

    site = str(knowledge_dir) if knowledge_dir else read_settings().knowledge_dir
    try:
        knowledge = load(site)
        compile_definitions(knowledge)
    except BrokenKnowledge as broken:
        if as_json:
            print(json.dumps({"ok": False, "findings": broken.findings}, indent=1))
            raise typer.Exit(1) from None
        fail("\n".join(broken.findings))
    show_one(
        {"ok": True, "files": len(knowledge.read), "scales": len(knowledge.scales), "priors": len(knowledge.priors), "genes": len(knowledge.genes),
         "guidance": len(knowledge.guidance), "rules": len(knowledge.rules), "profiles": len(knowledge.profiles)},
        as_json,
    )  # fmt: skip
