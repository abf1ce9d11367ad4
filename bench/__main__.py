"""`python -m bench`: measures all, writes build/bench.json, and the README's table from it.

python -m bench NAME... measures these alone, and prints what it found.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from bench import backtest, core, guard, latency, latency_loaded, many_workflows, throughput
from bench.figures import result_of
from bench.readme import write_readme
from bench.sizes import Runs, Sizes
from detectors.__main__ import main as compile_loop

MEASUREMENTS: dict[str, Callable[[Sizes], Runs]] = {
    module.__name__.removeprefix("bench."): module.measure
    for module in (core, guard, throughput, many_workflows, latency, latency_loaded, backtest)
}
RESULT = Path("build/bench.json")


def main(names: list[str], sizes: Sizes) -> int:
    """Measure, one after the other; the exit status: 1 where one failed, which spoils no other."""
    if unknown := set(names) - MEASUREMENTS.keys():
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no process behind
    compile_loop()
    runs: Runs = {}
    failed = False
    for name in names or MEASUREMENTS:
        began = monotonic()
        print(f"{name} ...", flush=True)
        try:
            runs |= MEASUREMENTS[name](sizes)
        except Exception:
            failed = True
            traceback.print_exc()
        print(f"{name}: {monotonic() - began:.0f} s", flush=True)
    result = result_of(runs, sizes)
    print(json.dumps(result, indent=2))
    if not names:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        write_readme(result)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Sizes()))
