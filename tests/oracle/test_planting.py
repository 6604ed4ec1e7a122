"""Faults planted into candidates are caught and named, correct rewritings are not accused."""

import importlib.util
from pathlib import Path

import pytest

from refopt import methods
from refopt.oracle.planting import Fault, Subject, examine, plant

FOLDER = Path(__file__).parent / "faults"


def subjects():
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"faults_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += module.SUBJECTS
    return found


SUBJECTS = subjects()


@pytest.fixture(scope="module")
def findings():
    return [finding for subject in SUBJECTS for finding in examine(subject)]


def shown(findings):
    return "\n" + "\n".join(map(str, findings))


def test_planted_faults_are_caught(findings):
    faults = [f for f in findings if f.fault is not None]
    missed = [f for f in faults if not f.caught]
    assert len(faults) >= 60
    assert len({(f.subject.source, f.text) for f in faults}) == len(faults), "the same fault is planted twice"
    assert len(missed) <= 0.02 * len(faults), shown(missed)


def test_planted_faults_are_named(findings):
    faults = [f for f in findings if f.fault is not None]
    wrong = [f for f in faults if not f.named]
    assert len(wrong) <= 0.2 * len(faults), shown(wrong)


def test_hints_name_the_mistake(findings):
    """Every fault that the table says a hint for gets it."""
    wrong = [f for f in findings if f.fault is not None and f.fault.hint not in f.report.hint]
    assert not wrong, shown(wrong)


def test_correct_variants_are_not_accused(findings):
    variants = [f for f in findings if f.fault is None]
    accused = [f for f in variants if f.caught]
    assert len(variants) >= 60
    assert not accused, shown(accused)


@pytest.mark.parametrize("name", [entry.name for entry in methods()])
def test_every_method_has_planted_faults(name):
    count = sum(len(s.faults) for s in SUBJECTS if s.method == name)
    assert count >= 4, (
        f"plant at least 4 faults for {name} in a file of tests/oracle/faults/, found {count}. Its form: "
        f'SUBJECTS = [Subject("{name}", the complete method, SOURCE, state at the start, constants of '
        "SOURCE, "
        'faults=(Fault("text of SOURCE", "wrong text", "quantity that differs first", step), ...), '
        'variants=(("", ""), ("text", "other correct text"), ...))]; SOURCE is the text of def step(x, g, '
        "state): ... "
        "return new_x, state. tests/oracle/faults/heavy_ball.py is an example"
    )


def test_a_fault_must_occur_once_in_the_source():
    subject = SUBJECTS[0]
    with pytest.raises(ValueError, match="occurs 0 times"):
        plant(subject, "no such text", "")


def test_a_fault_that_changes_nothing_counts_as_missed():
    """The examination is itself examined: a planted fault that is none is reported as not caught."""
    one = SUBJECTS[0]
    subject = Subject(
        one.method,
        one.reference,
        one.source,
        one.state,
        one.names,
        (Fault("u = c /", "u = c  /"),),
        problem=one.problem,
        steps=3,
    )
    (finding,) = examine(subject)
    assert not finding.caught and not finding.named
