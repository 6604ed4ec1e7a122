"""What ``disp=True`` shows while a run goes on."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

__all__ = ["Progress"]


class Progress:
    """What ``disp=True`` shows: tqdm's bar on a terminal, else iterations 1 to 10, 20, ..., 100, 200, ..."""

    def __init__(self, options: dict[str, Any]):
        self.bar = None
        self.began = time.perf_counter()
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):
                from tqdm import tqdm

                self.bar = tqdm(total=options["maxiter"], unit="it", leave=True)
        if self.bar is None:
            print("  nit          f      |g|_inf     |step|   nfev")

    def __getstate__(self) -> dict[str, Any]:
        """Without the bar, which belongs to a terminal: a copy prints lines."""
        return {"bar": None, "began": time.perf_counter() - self.began}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, began=time.perf_counter() - state["began"])

    def show(self, record: Any) -> None:
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(f"f={record.fun:.6g} |g|={record.gnorm:.2e}", refresh=False)
        elif record.nit <= 10 or record.nit % 10 ** (len(str(record.nit)) - 1) == 0:
            print(
                f"{record.nit:5d} {record.fun:14.7g} {record.gnorm:10.3e} {record.update_norm:10.3e} "
                f"{record.nfev:6d}"
            )

    def close(self, message: str) -> None:
        if self.bar is not None:
            self.bar.close()
        print(f"{message} ({time.perf_counter() - self.began:.2f} s)")
