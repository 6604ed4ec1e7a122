"""``refopt compare`` from the command line."""

import argparse

import pytest

from refopt import LR, CubicAdam, chain
from refopt.oracle.command import add_compare_command, candidate_from, reference_from


def run(capsys, *words):
    parser = argparse.ArgumentParser()
    add_compare_command(parser.add_subparsers())
    options = parser.parse_args(["compare", *words])
    status = options.command(options)
    return status, *capsys.readouterr()


def test_a_right_and_a_wrong_candidate(capsys, tmp_path):
    pytest.importorskip("torch")
    status, out, _ = run(
        capsys, "torch.optim.Adam:lr=0.01", "Adam:lr=0.01", "mgh/rosenbrock", "--steps", "10"
    )
    assert status == 0 and out.startswith("agrees: torch.optim.Adam")
    picture, trace = tmp_path / "a.png", tmp_path / "a.npz"
    status, out, _ = run(
        capsys,
        "torch.optim.Adam:lr=0.01,weight_decay=0.01",
        "Adam:lr=0.01",
        "mgh/rosenbrock",
        "--ignore-hyperparameters",
        "--plot",
        str(picture),
        "--save",
        str(trace),
    )
    assert status == 1 and "hint: weight decay 0.01 is coupled" in out and picture.exists()
    status, out, _ = run(capsys, str(trace), "Adam:lr=0.01", "mgh/rosenbrock", "--ignore-hyperparameters")
    assert status == 1 and "torch.optim.Adam" in out


def test_a_candidate_of_a_module(capsys, tmp_path, monkeypatch):
    (tmp_path / "mine_for_compare.py").write_text("def step(x, g):\n    return x - 0.01 * g\n")
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "mine_for_compare:step", "LR:lr=0.01", "classic/beale")[0] == 0
    assert run(capsys, "mine_for_compare:step", "LR:lr=0.02", "classic/beale", "--mode", "free")[0] == 1
    status, _, err = run(capsys, "mine_for_compare:stpe", "LR:lr=0.02", "classic/beale")
    assert status == 2 and "did you mean 'step'" in err
    status, _, err = run(capsys, "no_such_module_here:step", "LR:lr=0.02", "classic/beale")
    assert status == 2 and "cannot import 'no_such_module_here'" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Adam", "Adam"), "give PROBLEM"),
        (("Adam", "Adma", "classic/beale"), "did you mean"),
        (("Adam", "Adam", "classic/baele"), "did you mean"),
        (("Adam", "Adam:beta=1", "classic/beale"), "unknown option for Adam 'beta'"),
        (("Adam", "Adam:beta1=1.5", "classic/beale"), "beta1 must be in [0, 1)"),
        (("Adam", "Adam:beta1=", "classic/beale"), "write name=value"),
        (("Adam:lr=f(1)", "Adam", "classic/beale"), "must be a number, a word"),
        (("no.npz", "Adam", "classic/beale"), "there is no trace"),
        (("LR:lr=0.1", "LR:lr=0.1", "classic/beale", "--steps", "0"), "--steps must be 1 or more, got 0"),
        (("--table", "--steps", "-3"), "--steps must be 1 or more, got -3"),
    ],
)
def test_what_cannot_be_compared(capsys, words, message):
    status, out, err = run(capsys, *words)
    assert status == 2 and message in err and not out


def test_table_and_deviations(capsys):
    status, out, _ = run(capsys, "--deviations")
    assert status == 0 and "CubicAdam: stable-root" in out


def test_it_is_part_of_the_command_line(capsys):
    from refopt.cli import main

    assert main(["compare", "LR:lr=0.01", "LR:lr=0.01", "classic/beale", "--steps", "3"]) == 0
    assert capsys.readouterr().out.startswith("agrees: LR(lr=0.01)")


def test_words_become_candidates():
    assert reference_from("cubic_adam:mode=halve,lr=0.1") == chain(CubicAdam(mode="halve"), LR(0.1))
    assert candidate_from("LR:lr=0.5") == LR(0.5)
