"""refopt.torch.Optimizer: a torch optimizer like any other, and its steps are those of the methods."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_adapter.cases import (
    ADAM,
    DEVICE,
    closure_for,
    closure_of,
    digits,
    flat,
    network,
    rng_for,
    save_and_load,
    small,
    squares,
    weights,
)

import refopt
import refopt.torch
from refopt.method import Chain, walk, works_elementwise
from refopt.registry import ENTRIES
from refopt.torch.flat import Layout

ELEMENTWISE = [e for e in ENTRIES if e.cls.elementwise]
FIRST_STEP = (
    0.003  # root mean square of the first change of a weight, which sets the step size of every method
)


# ---------------------------------------------------------------- the same steps as torch's and as our
# driver's


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_adam_is_torch_adam(dtype, tolerance):
    """200 steps; float64 to 1e-12, float32 to its own rounding grown over 200 steps."""
    models = [small(dtype=dtype)[0] for _ in range(2)]
    _, X, y = small(dtype=dtype)
    theirs = torch.optim.Adam(models[0].parameters(), lr=1e-2)
    ours = refopt.torch.Optimizer(models[1].parameters(), refopt.chain(refopt.Adam(), refopt.LR(1e-2)))
    for _ in range(200):
        theirs.step(closure_of(models[0], X, y))
        ours.step(closure_of(models[1], X, y))
    np.testing.assert_allclose(flat(models[1]), flat(models[0]), rtol=tolerance, atol=tolerance)
    assert models[1][0].weight.dtype == dtype


def test_a_wrong_adam_is_seen():
    """The comparison above fails for another beta2."""
    models = [small()[0] for _ in range(2)]
    _, X, y = small()
    theirs = torch.optim.Adam(models[0].parameters(), lr=1e-2)
    ours = refopt.torch.Optimizer(
        models[1].parameters(), refopt.chain(refopt.Adam(beta2=0.9991), refopt.LR(1e-2))
    )
    for _ in range(200):
        theirs.step(closure_of(models[0], X, y))
        ours.step(closure_of(models[1], X, y))
    assert np.abs(flat(models[1]) - flat(models[0])).max() > 1e-9


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=lambda e: e.name)
def test_training_on_digits_in_minibatches(entry):
    """Every elementwise method, with a step size, brings the loss of a small network well down in two
    epochs.
    """
    X, y = digits()
    loss_of = torch.nn.CrossEntropyLoss()
    method, trial = entry.make(), network(64, 16, 10)
    start = flat(trial)
    loss_of(trial(X), y).backward()
    refopt.torch.Optimizer(trial.parameters(), method, **rng_for(method)).step()
    lr = float(FIRST_STEP / np.sqrt(np.mean((flat(trial) - start) ** 2)))
    model = network(64, 16, 10)
    optimizer = refopt.torch.Optimizer(model.parameters(), [method, refopt.LR(lr)], **rng_for(method))
    before = loss_of(model(X), y).item()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    for batch in [*order.split(50), *order.split(50)]:
        optimizer.zero_grad()
        loss_of(model(X[batch]), y[batch]).backward()
        optimizer.step()
    assert loss_of(model(X), y).item() < 0.6 * before


def complete(entry):
    return entry.complete(**entry.quick)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
def test_every_recipe_steps(entry):
    """Every method of the registry, as its name stands for, lowers the loss on a batch, through one
    closure.
    """
    model, X, y = small()
    method = complete(entry)
    closure = closure_for(method, model, X, y)
    optimizer = refopt.torch.Optimizer(model.parameters(), method, **rng_for(method))
    losses = [optimizer.step(closure).item() for _ in range(6)]
    assert losses[-1] < losses[0] or not method.minimises_f()


# A method that draws gets a generator of its own in each group, so its path is not the driver's.
DETERMINISTIC = [entry for entry in ENTRIES if "rng" not in complete(entry).all_needs()]


@pytest.mark.parametrize("entry", DETERMINISTIC, ids=lambda e: e.name)
def test_steps_are_those_of_the_driver(entry):
    """On a deterministic closure the optimizer walks the driver's path: same numbers, however they travel.

    1e-9: values from torch may differ in the last place between the two ways of asking for them.
    """
    method = complete(entry)
    model, X, y = small()
    objective = refopt.torch.objective(closure_for(method, model, X, y), model.parameters())
    run = refopt.iterate(objective, method=method, options={"gtol": 0})
    other, _, _ = small()
    optimizer = refopt.torch.Optimizer(other.parameters(), method)
    for _ in range(4):
        record = next(run)
        optimizer.step(closure_for(method, other, X, y))
        np.testing.assert_allclose(flat(other), record.x, rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------- groups


def test_groups_have_their_own_hyperparameters():
    (a, X, y), (b, _, _) = small(), small()

    def groups(model):
        return [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters()}]

    theirs = torch.optim.Adam(groups(a), lr=1e-3)
    ours = refopt.torch.Optimizer(groups(b), [refopt.Adam(), refopt.LR(1e-3)])
    for _ in range(20):
        theirs.step(closure_of(a, X, y))
        ours.step(closure_of(b, X, y))
    np.testing.assert_allclose(flat(b), flat(a), rtol=1e-12, atol=1e-13)  # 20 steps of rounding


def test_a_group_may_join_later():
    (a, X, y), (b, _, _) = small(), small()
    theirs = torch.optim.Adam(a[0].parameters(), lr=1e-2)
    ours = refopt.torch.Optimizer(b[0].parameters(), "Adam", lr=1e-2)
    for k in range(20):
        if k == 7:
            theirs.add_param_group({"params": a[2].parameters(), "lr": 0.05})
            ours.add_param_group({"params": b[2].parameters(), "lr": 0.05})
        theirs.step(closure_of(a, X, y))
        ours.step(closure_of(b, X, y))
    np.testing.assert_allclose(flat(b), flat(a), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "scheduler",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=30, cycle_momentum=False),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: 0.9**k),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
    ],
    ids=["step", "one-cycle", "lambda", "cosine"],
)
def test_schedulers_change_lr(scheduler):
    (a, X, y), (b, _, _) = small(), small()
    theirs = torch.optim.Adam(a.parameters(), lr=1e-2)
    ours = refopt.torch.Optimizer(b.parameters(), [refopt.Adam(), refopt.LR(1e-2)])
    schedules = scheduler(theirs), scheduler(ours)
    for _ in range(20):
        theirs.step(closure_of(a, X, y))
        ours.step(closure_of(b, X, y))
        for s in schedules:
            s.step()
        assert theirs.param_groups[0]["lr"] == ours.param_groups[0]["lr"]
    np.testing.assert_allclose(flat(b), flat(a), rtol=1e-12, atol=1e-13)


# ---------------------------------------------------------------- parameters of all kinds


def test_parameters_without_gradient_stay():
    model, X, y = small()
    model[0].weight.requires_grad_(False)
    unused = torch.nn.Parameter(torch.ones(3, dtype=torch.float64, device=DEVICE))
    kept = model[0].weight.clone()
    optimizer = refopt.torch.Optimizer([*model.parameters(), unused], [refopt.HeavyBall(), refopt.LR(0.1)])
    for _ in range(3):
        optimizer.step(closure_of(model, X, y))
    assert torch.equal(model[0].weight, kept) and torch.equal(unused.detach(), torch.ones_like(unused))
    # a parameter that had gradients before stays as well, though its momentum is not zero
    kept = model[2].weight.detach().clone()
    model.zero_grad()
    model[2].bias.grad = torch.ones_like(model[2].bias)
    optimizer.step()
    assert torch.equal(model[2].weight.detach(), kept)


@pytest.mark.parametrize("method", ["Adam", "LBFGS"])
def test_tied_parameters_count_once(method):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))

    torch.manual_seed(0)
    one = Tied().double().to(DEVICE)
    two = copy.deepcopy(one)
    assert two.a.weight is two.b.weight
    _, X, _ = small()
    listed = [two.a.weight, two.a.bias, two.b.weight, two.b.bias]  # the tied one twice
    optimizers = [refopt.torch.Optimizer(one.parameters(), method), refopt.torch.Optimizer(listed, method)]
    assert sum(p.numel() for p in optimizers[1].param_groups[0]["params"]) == 15
    for model, optimizer in zip((one, two), optimizers, strict=True):
        for _ in range(5):
            optimizer.step(squares(model, X))
    np.testing.assert_array_equal(flat(one), flat(two))


# ---------------------------------------------------------------- closures


def test_no_progress_leaves_the_parameters():
    """At the minimiser the line search refuses; nothing moves, and `stop` says why."""
    w = torch.ones(2, dtype=torch.float64, device=DEVICE, requires_grad=True)
    optimizer = refopt.torch.Optimizer([w], "LBFGS")
    for _ in range(3):
        optimizer.step(lambda: ((w - 1) ** 2).sum() + 1e300 * 0)
    assert torch.equal(w.detach(), torch.ones_like(w))

    def uphill():
        w.grad = -2 * (w.detach() - 2)
        return ((w - 2) ** 2).sum()

    misled = refopt.torch.Optimizer([w], "LBFGS")
    misled.step(uphill)
    assert torch.equal(w.detach(), torch.ones_like(w))
    assert misled.stop is not None and misled.stop.message


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_saving_and_loading_change_no_bit(entry, dtype):
    method = complete(entry)
    model, X, y = small(dtype=dtype)
    optimizer = refopt.torch.Optimizer(model.parameters(), method, **rng_for(method))
    for _ in range(4):
        optimizer.step(closure_for(method, model, X, y))
    saved = save_and_load({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    for _ in range(4):
        optimizer.step(closure_for(method, model, X, y))
    again, _, _ = small(seed=1, dtype=dtype)
    X, y = small(dtype=dtype)[1:]
    again.load_state_dict(saved["model"])
    continued = refopt.torch.Optimizer(again.parameters(), method, **rng_for(method))
    continued.load_state_dict(saved["optimizer"])
    for _ in range(4):
        continued.step(closure_for(method, again, X, y))
    assert flat(again).tobytes() == flat(model).tobytes()


def test_groups_and_schedule_are_saved():
    model, X, y = small()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters()}]
    method = refopt.chain(refopt.CoordinateMomentum(0.5), refopt.LR(0.01))
    optimizer = refopt.torch.Optimizer(groups, method, rng=3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    for _ in range(3):
        optimizer.step(closure_of(model, X, y))
        schedule.step()
    saved = save_and_load([model.state_dict(), optimizer.state_dict(), schedule.state_dict()])
    for _ in range(3):
        optimizer.step(closure_of(model, X, y))
        schedule.step()
    again, _, _ = small(seed=1)
    continued = refopt.torch.Optimizer(
        [{"params": again[0].parameters()}, {"params": again[2].parameters()}],
        refopt.chain(refopt.CoordinateMomentum(0.5), refopt.LR(7.0)),
    )
    schedule = torch.optim.lr_scheduler.ExponentialLR(continued, 0.8)
    again.load_state_dict(saved[0])
    continued.load_state_dict(saved[1])
    schedule.load_state_dict(saved[2])
    for _ in range(3):
        continued.step(closure_of(again, X, y))
        schedule.step()
    assert flat(again).tobytes() == flat(model).tobytes()
    assert [g["lr"] for g in continued.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_deepcopy_continues_with_the_same_bits():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.parameters(), "CubicAdam")
    optimizer.step(closure_of(model, X, y))
    other, twin = copy.deepcopy((model, optimizer))
    optimizer.step(closure_of(model, X, y))
    twin.step(closure_of(other, X, y))
    assert flat(other).tobytes() == flat(model).tobytes()


def test_manual_seed_repeats_a_run():
    paths = []
    for _ in range(2):
        model, X, y = small()
        torch.manual_seed(11)
        optimizer = refopt.torch.Optimizer(model.parameters(), "CoordinateMomentum", lr=0.1)
        for _ in range(3):
            optimizer.step(closure_of(model, X, y))
        paths.append(flat(model))
    np.testing.assert_array_equal(*paths)


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize("entry", [e for e in ENTRIES if works_elementwise(e.make())], ids=lambda e: e.name)
def test_elementwise_states_do_not_keep_the_gradient(entry):
    """The gradient's memory is torch's, so an elementwise method must not hold on to it."""
    method = entry.make()
    x, g = np.ones(5), np.arange(5.0)
    layout = Layout("test", [torch.ones(5, dtype=torch.float64)])
    point = refopt.torch.optimizer.GradientPoint(refopt.torch.optimizer.GradientOnly(layout), layout, g)
    _, state = method.step(point, g, method.init(x, [(5,)], np.random.default_rng(0)))
    arrays = [a for a in (state if isinstance(state, tuple) else ()) if isinstance(a, np.ndarray)]
    assert not any(np.shares_memory(a, g) for a in arrays)


def test_the_registry_says_elementwise_honestly():
    """`elementwise` of a class and of everything inside is what groups rely on."""
    for entry in ENTRIES:
        method = complete(entry)
        if works_elementwise(method):
            assert all(m.elementwise or isinstance(m, Chain) for m in walk(method)), entry.name


def test_groups():
    a, b = weights(), weights()
    with pytest.raises(ValueError, match="more than one parameter group"):
        refopt.torch.Optimizer([{"params": [a]}, {"params": [b, a]}], ADAM)
    with pytest.raises(ValueError, match="unknown hyperparameter.*'betta1'.*'beta1'"):
        refopt.torch.Optimizer([{"params": [a], "betta1": 0.5}], ADAM)
    with pytest.raises(ValueError, match=r"Adam: beta1 must be in \[0, 1\), got 1.5"):
        refopt.torch.Optimizer([{"params": [a], "beta1": 1.5}], ADAM)
    with pytest.raises(ValueError, match=r"different history_size \(10, 3\).*treats all parameters together"):
        refopt.torch.Optimizer([{"params": [a]}, {"params": [b], "history_size": 3}], "LBFGS")
    with pytest.raises(TypeError, match="must be a dict with the entry 'params'"):
        refopt.torch.Optimizer([a], ADAM).add_param_group({"lr": 1.0})
    same = refopt.torch.Optimizer([{"params": [a]}, {"params": [b]}], "LBFGS")
    same.param_groups[1]["history_size"] = 3
    with pytest.raises(ValueError, match="different history_size"):
        same.step(lambda: (a**2).sum() + (b**2).sum())
    joined = refopt.torch.Optimizer([a], "LBFGS")
    joined.step(lambda: (a**2).sum())
    with pytest.raises(ValueError, match="has begun; give all groups at the start"):
        joined.add_param_group({"params": [b]})
    assert len(joined.param_groups) == 1
    optimizer = refopt.torch.Optimizer([a], ADAM)
    with pytest.raises(ValueError, match="several dtypes"):
        optimizer.add_param_group({"params": [weights(dtype=torch.float32)]})
    assert len(optimizer.param_groups) == 1


def test_wrong_method_and_options():
    a = weights()
    with pytest.raises(ValueError, match="unknown method 'Adamm'; did you mean 'Adam'"):
        refopt.torch.Optimizer([a], "Adamm")
    with pytest.raises(TypeError, match="lr given with a method instance"):
        refopt.torch.Optimizer([a], ADAM, lr=1.0)
    with pytest.raises(ValueError, match="'betta1'"):
        refopt.torch.Optimizer([a], "Adam", betta1=0.5)
    with pytest.raises(TypeError, match="is a class; give an instance"):
        refopt.torch.Optimizer([a], refopt.Adam)
    with pytest.raises(ValueError, match="uses no randomness; leave it out"):
        refopt.torch.Optimizer([a], ADAM, rng=1)
    with pytest.raises(TypeError, match="rng must be"):
        refopt.torch.Optimizer([a], "CoordinateMomentum", rng="x")


def test_missing_closure():
    w = weights()
    w.grad = torch.ones_like(w)
    with pytest.raises(TypeError, match=r"needs f besides the gradient, so step needs a closure"):
        refopt.torch.Optimizer([w], "LBFGS").step()
    with pytest.raises(TypeError, match="closure must be callable, got 3"):
        refopt.torch.Optimizer([w], "LBFGS").step(3)
    refopt.torch.Optimizer([w], ADAM).step()
    refopt.torch.Optimizer([w], [refopt.LBFGS(), refopt.LR(0.1)]).step()  # directions need the gradient only


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(bad):
    """FloatingPointError that names the place; parameters and state as before, so that a batch can be
    skipped.
    """
    a, b = weights(2, 2), weights()
    optimizer = refopt.torch.Optimizer([{"params": [b]}, {"params": [weights(1), a]}], ADAM)
    twin, p, q = copy.deepcopy((optimizer, a, b))

    def step(optimizer, a, b, value):
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
        a.grad[1, 0] = value
        optimizer.step()

    step(optimizer, a, b, 1.0), step(twin, p, q, 1.0)
    with pytest.raises(
        FloatingPointError, match=r"gradient is not finite: element 2 of parameter 1, of shape \(2, 2\), has"
    ):
        step(optimizer, a, b, bad)
    assert torch.equal(a, p) and torch.equal(b, q)
    step(optimizer, a, b, 1.0), step(twin, p, q, 1.0)
    assert torch.equal(a, p) and torch.equal(b, q)


def test_losses_and_updates_that_are_not_finite():
    w = weights()
    with pytest.raises(FloatingPointError, match="loss is nan; the parameters are unchanged"):
        refopt.torch.Optimizer([w], "LBFGS").step(lambda: (w * float("nan")).sum())
    with pytest.raises(FloatingPointError, match="gradient is not finite"):
        refopt.torch.Optimizer([w], "LBFGS").step(lambda: (w - 1).abs().sqrt().sum())
    w.grad = torch.full_like(w, 1e300)
    with pytest.raises(FloatingPointError, match="update is not finite"), np.errstate(over="ignore"):
        refopt.torch.Optimizer([w], refopt.LR(1e300)).step()
    assert torch.equal(w.detach(), torch.ones(3, dtype=torch.float64))
    res = refopt.minimize(refopt.torch.objective(lambda: (w * float("nan")).sum(), [w]))
    assert res.status == refopt.Status.NONFINITE_START.number


def test_large_gradients_are_finite():
    """The squares overflow, the numbers do not."""
    w = weights()
    w.grad = torch.full_like(w, 1e200)
    refopt.torch.Optimizer([w], refopt.LR(1e-200)).step()
    assert torch.equal(w.detach(), torch.zeros(3, dtype=torch.float64))


def test_sparse_gradients():
    layer = torch.nn.Embedding(4, 2, sparse=True)
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="gradient is sparse.*sparse=False"):
        refopt.torch.Optimizer(layer.parameters(), ADAM).step()


def test_models_that_change_after_the_first_step():
    model = torch.nn.Linear(2, 1)
    X = torch.ones(1, 2)
    optimizer = refopt.torch.Optimizer(model.parameters(), "LBFGS")
    optimizer.step(lambda: (model(X) ** 2).sum())
    model.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="which parameters require gradients has changed"):
        optimizer.step(lambda: (model(X) ** 2).sum())
    model.bias.requires_grad_(True)
    model.double()
    with pytest.raises(TypeError, match="were torch.float32 and are torch.float64 now"):
        optimizer.step(lambda: (model(X.double()) ** 2).sum())


@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: refopt.torch.Optimizer([weights(2, 2)], "CubicAdam"), r"belongs to Chain\(CubicAdam, LR\)"),
        (lambda: refopt.torch.Optimizer([weights(4)], "Adam"), "belongs to parameters"),
        (
            lambda: refopt.torch.Optimizer([weights(2, 2, dtype=torch.float32)], "Adam"),
            "belongs to parameters",
        ),
        (lambda: refopt.torch.Optimizer([weights(2, 2), weights(1)], "Adam"), "belongs to parameters"),
        (
            lambda: refopt.torch.Optimizer([{"params": weights(2, 2)}, {"params": weights(1)}], "Adam"),
            "belongs to parameters",
        ),
        (lambda: torch.optim.Adam([weights(2, 2)]), "not the state of a refopt.torch.Optimizer"),
        (lambda: None, "not the state of a refopt.torch.Optimizer"),
    ],
    ids=["method", "shape", "dtype", "more", "groups", "torch", "None"],
)
def test_states_of_others(other, words):
    w = weights(2, 2)
    w.grad = torch.ones_like(w)
    optimizer = refopt.torch.Optimizer([w], "Adam")
    optimizer.step()
    before = repr(optimizer.state_dict())
    made = other()
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(made and made.state_dict())
    assert repr(optimizer.state_dict()) == before
