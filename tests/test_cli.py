"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from refopt.cli import main, parse_options


def test_methods_and_problems(capsys):
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert "CubicAdam" in out and "beta1=0.9" in out
    assert main(["problems", "nist/misra*"]) == 0
    assert capsys.readouterr().out.split() == ["nist/Misra1a", "nist/Misra1b", "nist/Misra1c", "nist/Misra1d"]


@pytest.mark.parametrize("problem, start", [("nist/Misra1a", 1), ("nist/Misra1a", 2), ("nist/Thurber", 2)])
def test_certified_comparison(problem, start, capsys):
    assert main(["run", problem, "--start", str(start)]) == 0
    out = capsys.readouterr().out
    assert "certified" in out and "RSS" in out
    digits = [float(line.split()[-1]) for line in out.splitlines() if line.startswith("b")]
    assert digits and min(digits) >= 6


def test_options_reach_the_method(capsys):
    code = main(
        [
            "run",
            "mgh/beale",
            "--method",
            "CubicAdam",
            "--option",
            "maxiter=3",
            "--option",
            "beta1=0.5",
            "--option",
            "mode=halve",
        ]
    )
    out = capsys.readouterr().out
    assert (
        code == 1
        and "beta1=0.5" in out
        and "mode='halve'" in out
        and "NOT CONVERGED after 3 iterations" in out
    )


def test_seed(capsys):
    outputs = []
    for _ in range(2):
        main(["run", "mgh/beale", "--method", "CoordinateMomentum", "--seed", "3", "--option", "maxiter=5"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_plot(tmp_path, capsys):
    file = tmp_path / "run.png"
    assert main(["run", "mgh/beale", "--plot", str(file)]) == 0
    assert file.stat().st_size > 5000 and f"wrote {file}" in capsys.readouterr().out


def test_bench(capsys):
    assert main(["bench", "mgh/beale", "mgh/rosenbrock", "--methods", "Newton,LBFGS"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "nist/Misra9"], "nist/Misra1"),
        (["run", "mgh/beale", "--method", "Newtn"], "unknown method 'Newtn'; did you mean 'Newton'"),
        (["run", "mgh/beale", "--option", "maxiter"], "--option must be KEY=VALUE"),
        (["run", "mgh/beale", "--option", "maxitr=3"], "unknown option"),
        (["run", "mgh/beale", "--start", "9"], "has starts 1 to 3, got --start 9"),
        (["problems", "zzz"], "no problem matches 'zzz'"),
        (
            ["bench", "mgh/beale", "--methods", "Newton,Newtn"],
            "unknown method 'Newtn'; did you mean 'Newton'",
        ),
        (["run", "mgh/beale", "--plot", "no/such/folder/a.png"], "there is no folder 'no/such/folder'"),
        (["run", "mgh/beale", "--plot", "a.pngg"], "--plot must end in one of .png, .pdf, .svg"),
        (["run", "mgh/beale", "--plot", ""], "--plot must end in one of .png, .pdf, .svg"),
        (
            ["compare", "LR:lr=0.1", "LR:lr=0.1", "mgh/beale", "--plot", "no/such/a.png"],
            "there is no folder 'no/such'",
        ),
        (
            ["compare", "LR:lr=0.1", "LR:lr=0.1", "mgh/beale", "--save", "a.txt"],
            "--save must end in one of .npz, .json",
        ),
    ],
)
def test_errors_take_one_line_on_stderr(arguments, words, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err and len(captured.err.strip().splitlines()) == 1 and not captured.out


def test_a_picture_that_cannot_be_written_is_refused_before_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("refopt.iterate", lambda *args, **kwargs: pytest.fail("it ran"))
    (tmp_path / "folder.png").mkdir()
    for file in ("folder.png", "none/a.png", "a.txt", "a"):
        assert main(["run", "mgh/beale", "--plot", str(tmp_path / file)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [["run", "mgh/beale"], ["compare", "LR:lr=0.1", "LR:lr=0.1", "mgh/beale"]])
@pytest.mark.parametrize("given", ["-1", "1.5", "x"])
def test_bad_seeds_are_refused(words, given, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--seed", given])
    captured = capsys.readouterr()
    assert stopped.value.code == 2 and len(captured.err.strip().splitlines()) == 1 and not captured.out
    assert f"--seed: must be a whole number >= 0, got '{given}'" in captured.err


def test_version_and_help(capsys):
    import refopt

    for words, told in (
        (["--version"], f"refopt {refopt.__version__}"),
        (["run", "--help"], "gtol is 1e-08 here"),
        (["bench", "--help"], "limit on the iterations of each run"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 0 and told in " ".join(capsys.readouterr().out.split())


def test_wrong_call_of_the_program():
    done = subprocess.run([sys.executable, "-m", "refopt", "fly"], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and "fly" in done.stderr


def test_options_are_literals():
    assert parse_options(["a=1", "b=1e-3", "c=True", "d=text", "e=None"]) == {
        "a": 1,
        "b": 1e-3,
        "c": True,
        "d": "text",
        "e": None,
    }
