"""Each declared deviation, demonstrated on the real torchzero."""

from pathlib import Path

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from refopt import (
    LR,
    Adam,
    Backtracking,
    CubicAdam,
    HeavyBall,
    Newton,
    NewtonNewton,
    StrongWolfe,
    chain,
    methods,
    oracle,
)
from refopt.function import FunctionObjective
from refopt.oracle import exact
from refopt.oracle.exact.precise import Arithmetic, plain
from refopt.oracle.torchzero.deviations import DEVIATIONS, find
from refopt.oracle.torchzero.parity import build
from refopt.oracle.torchzero.rows import M

torch = pytest.importorskip("torch")
torchzero = pytest.importorskip("torchzero")


def original_step(modules, x0, function):
    """The update of the original's first step."""
    x = torch.tensor(x0, dtype=torch.float64, requires_grad=True)
    optimizer = torchzero.Optimizer([x], *build(modules))

    def closure(backward=True):
        loss = function(x)
        if backward:
            optimizer.zero_grad()
            loss.backward()
        return loss

    optimizer.step(closure)
    return np.array(x0) - x.detach().numpy()


def our_step(method, x0, function):
    objective = FunctionObjective(function, np.array(x0))
    point = objective.at(np.array(x0))
    return np.array(method.step(point, point.g, method.init(point.x))[0])


def test_stable_root():
    """A coordinate with zero gradient: the original's update is NaN; a tiny third moment: far off."""
    function = lambda x: 0.5 * x[0] ** 2 + 0 * x[1]  # noqa: E731
    theirs, ours = (
        original_step((M("CubicAdam"),), [1.0, 2.0], function),
        our_step(CubicAdam(), [1.0, 2.0], function),
    )
    assert theirs[0] == pytest.approx(ours[0], rel=1e-12)
    assert np.isnan(theirs[1]) and ours[1] == 0
    tiny = lambda x: 1e-6 * (x**2).sum()  # noqa: E731
    options = dict(mode="halve")  # A = u^3 / 2 is far below eps, the root is cancellation
    theirs, ours = (
        original_step((M("CubicAdam", **options),), [1.0], tiny),
        our_step(CubicAdam(**options), [1.0], tiny),
    )
    assert ours[0] == pytest.approx(1.0, rel=1e-6)  # Adam's step
    assert 0 < theirs[0] < 1e-8


def test_eps_debiased():
    """Kingma and Ba's first step is u / (|u| + eps); the original's eps is divided by sqrt(1 - beta2)."""
    function = lambda x: (2 * x).sum()  # noqa: E731
    eps, u = 0.5, 2.0
    assert our_step(Adam(eps=eps), [1.0], function)[0] == pytest.approx(u / (u + eps), rel=1e-12)
    theirs = original_step((M("Adam", eps=eps),), [1.0], function)
    assert theirs[0] == pytest.approx(u / (u + eps / np.sqrt(1 - 0.999)), rel=1e-12)


def test_buffer_start():
    function = lambda x: (2 * x).sum()  # noqa: E731
    assert our_step(HeavyBall(0.9), [1.0], function)[0] == 2.0
    assert original_step((M("HeavyBall", 0.9),), [1.0], function)[0] == pytest.approx(3.8, rel=1e-12)


def test_descent():
    """On a saddle the original's step goes uphill, ours down; where H is positive definite they agree."""
    saddle = lambda x: 0.5 * x[0] ** 2 - 0.5 * x[1] ** 2  # noqa: E731
    theirs, ours = original_step((M("Newton"),), [1.0, 0.5], saddle), our_step(Newton(), [1.0, 0.5], saddle)
    g = np.array([1.0, -0.5])
    assert theirs == pytest.approx([1.0, 0.5]) and theirs[1] * g[1] < 0
    assert ours == pytest.approx([1.0, -0.5])
    bowl = lambda x: 0.5 * x[0] ** 2 + 2 * x[1] ** 2  # noqa: E731
    assert original_step((M("Newton"),), [1.0, 0.5], bowl) == pytest.approx(
        our_step(Newton(), [1.0, 0.5], bowl)
    )


def test_armijo_only():
    """An update that goes uphill: the original stays where it is, ours takes the gradient."""
    bowl = lambda x: 0.5 * (x**2).sum()  # noqa: E731
    uphill = LR(-1.0)
    theirs = original_step((M("LR", -1.0), M("Backtracking", adaptive=False)), [1.0, -2.0], bowl)
    assert not theirs.any()
    assert our_step(chain(uphill, Backtracking()), [1.0, -2.0], bowl) == pytest.approx([1.0, -2.0])


def test_scipy_search():
    """Both step sizes satisfy the strong Wolfe conditions; they are not the same."""
    c1, c2 = 1e-4, 0.9
    x0 = [-1.2, 1.0]

    def rosenbrock(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    point = FunctionObjective(rosenbrock, np.array(x0)).at(np.array(x0))
    updates = original_step((M("StrongWolfe"),), x0, rosenbrock), our_step(StrongWolfe(), x0, rosenbrock)
    for update in updates:
        trial = point.after(update)
        assert trial.f <= point.f - c1 * point.g @ update
        assert abs(trial.g @ update) <= c2 * abs(point.g @ update)
    assert abs(updates[0] - updates[1]).max() > 1e-6


def test_the_table_prints():
    assert "stable-root" in str(oracle.deviations())
    assert oracle.deviations().markdown().count("\n") == len(oracle.deviations()) + 1
    assert [d.name for d in oracle.deviations("HeavyBall")] == ["buffer-start"]
    with pytest.raises(ValueError, match="did you mean 'stable-root'"):
        find("stable-rot")


def beale(x):
    return (
        (1.5 - x[0] * (1 - x[1])) ** 2
        + (2.25 - x[0] * (1 - x[1] ** 2)) ** 2
        + (2.625 - x[0] * (1 - x[1] ** 3)) ** 2
    )


def nested(order, x, reg):
    """NewtonNewton's step as it is described: x_(k+1) = J_k^-1 x_k with J_k by nested Jacobians."""

    def vector(k):
        if k == 1:
            return autograd.grad(beale)
        before = vector(k - 1)
        return lambda x: anp.linalg.solve(autograd.jacobian(before)(x) + reg * np.eye(2), before(x))

    return vector(order)(np.array(x))


@pytest.mark.parametrize("x", [[1.2, 0.7], [1.0, 0.8]])
def test_newton_newton_of_order_four(x):
    """Ours is the definition; the original's step is that of matrices of which Cholesky read one triangle."""
    point = FunctionObjective(beale, np.array(x)).at(np.array(x))
    for order, same in ((3, True), (4, False)):
        method = NewtonNewton(reg=0.1, order=order)
        theirs, ours = (
            original_step((M("NewtonNewton", reg=0.1, order=order),), x, beale),
            our_step(method, x, beale),
        )
        assert ours == pytest.approx(nested(order, x, 0.1), rel=1e-9)
        assert (theirs == pytest.approx(ours, rel=1e-9)) is same
        table = {"NewtonNewton": find("order-four").variant}
        by_triangles, _ = exact.run(method, point, point.g, method.init(point.x), Arithmetic(), table=table)
        assert theirs == pytest.approx(plain(by_triangles), rel=1e-11)


def test_cholesky_of_the_original_succeeds_on_a_matrix_that_is_not_symmetric():
    from torchzero.modules.second_order.newton import _try_cholesky_solve

    J, b = np.array([[2.0, 0.9], [0.1, 1.0]]), np.array([1.0, -1.0])
    theirs = _try_cholesky_solve(torch.tensor(J), torch.tensor(b)).numpy()
    assert theirs == pytest.approx(np.linalg.solve([[2.0, 0.1], [0.1, 1.0]], b), rel=1e-13)
    assert abs(theirs - np.linalg.solve(J, b)).max() > 0.1


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda d: d.name)
def test_every_deviation_is_complete(deviation):
    assert deviation.method in [entry.name for entry in methods()]
    assert all([deviation.original, deviation.ours, deviation.why])
    path, _, test = deviation.test.partition("::")
    source = Path(__file__).parents[3] / path
    assert source.exists() and f"def {test}(" in source.read_text(), (
        f"{deviation.name}: there is no {deviation.test}"
    )


def test_names_are_unique():
    names = [deviation.name for deviation in DEVIATIONS]
    assert len(set(names)) == len(names)
