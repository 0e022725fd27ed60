"""What the demo prints: steps with progress, findings in plain words."""

import textwrap
from pathlib import Path
from typing import TextIO


class Screen:
    """Prints for a person; no colours where the output is no terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._colour = out, out.isatty()

    def say(self, text: str, indent: int = 0) -> None:
        """One paragraph, wrapped."""
        for line in textwrap.wrap(text, 108 - indent) or [""]:
            print(" " * indent + line, file=self._out, flush=True)

    def step(self, number: int, of: int, title: str) -> None:
        """A step begins."""
        print(f"\n{self._bold(f'[{number}/{of}] {title}')}", file=self._out, flush=True)

    def done(self, text: str | None, seconds: float) -> None:
        """A step ended well."""
        if text:
            self.say(f"ok ({seconds:.1f} s): {text}", 6)

    def fact(self, name: str, text: str) -> None:
        """A named finding."""
        lines = textwrap.wrap(text, 84) or [""]
        print(f"      {name:<20}{lines[0]}", file=self._out, flush=True)
        for line in lines[1:]:
            print(" " * 26 + line, file=self._out, flush=True)

    def closing(self, addresses: list[tuple[str, str]], seconds: float) -> None:
        """Where to look next."""
        print(f"\n{self._bold(f'Done in {seconds:.0f} s. To explore (with make demo KEEP=1 everything stays up):')}", file=self._out)
        for name, address in addresses:
            print(f"      {name:<20}{address}", file=self._out, flush=True)

    def failed(self, text: str, folder: Path) -> None:
        """A step went wrong."""
        print(f"\n{self._bold('FAILED')} in the step above: {text}\n      logs: {folder}", file=self._out, flush=True)

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._colour else text
