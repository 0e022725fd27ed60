"""`python -m bench.baseline`: simulates people, judges them by every method, and prints the page docs/baseline-simulation.md.

Progress goes to stderr. The same seed and number of people give the same page, as long as the engine stays the same.
"""

import argparse
from pathlib import Path

from bench.baseline.report import page
from bench.baseline.simulation import run, say


def main() -> None:
    """The page, to stdout or a file."""
    given = argparse.ArgumentParser(prog="python -m bench.baseline", description="People whose truth is known, judged by every method.")
    given.add_argument("--people", type=int, default=400, help="in each cohort (400)")
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--learned", action="store_true", help="judge also with priors learned from a training half: some minutes more")
    given.add_argument("--out", type=Path, help="a file instead of stdout")
    chosen = given.parse_args()
    words = [f"--people {chosen.people}", f"--seed {chosen.seed}", *(["--learned"] if chosen.learned else []), *([f"--out {chosen.out}"] if chosen.out else [])]
    text = page(run(chosen.people, chosen.seed, f".venv/bin/python -m bench.baseline {' '.join(words)}", chosen.learned))
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    say("done")


if __name__ == "__main__":
    main()
