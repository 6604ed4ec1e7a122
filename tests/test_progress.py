"""What `disp` shows."""

from __future__ import annotations

import refopt
from refopt.progress import Progress


class Line:
    """A record as far as it is shown."""

    def __init__(self, nit):
        self.nit, self.fun, self.gnorm, self.update_norm, self.nfev = nit, 1.5, 0.25, 0.125, 7


def test_lines_become_rarer(capsys):
    progress = Progress({"maxiter": 1000})
    for nit in range(1, 231):
        progress.show(Line(nit))
    progress.close("the end")
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines] == [*range(1, 11), *range(20, 100, 10), 100, 200]
    assert head.split() == ["nit", "f", "|g|_inf", "|step|", "nfev"] and last.startswith("the end (")
    assert [float(word) for word in lines[0].split()] == [1, 1.5, 0.25, 0.125, 7]


def test_a_run_shows_its_end(capsys):
    result = refopt.minimize(lambda x: (x[0] - 1) ** 2, [3.0], method="Newton", options={"disp": True})
    assert result.message in capsys.readouterr().out
