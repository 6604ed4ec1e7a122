"""refopt.torch.Optimizer: a torch optimizer like any other, and its steps are those of the methods."""

from __future__ import annotations

import copy
import dataclasses
import io

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import refopt
import refopt.torch
from refopt.method import walk, works_elementwise
from refopt.registry import ENTRIES
from refopt.torch.flat import Layout

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ELEMENTWISE = [e for e in ENTRIES if e.cls.elementwise and e.name != "LR"]
# Settings that keep a step short; the methods are the registry's.
SHORT = {"HigherOrderNewton": {"order": 2}, "ScipyNewtonCG": {"kwargs": {"maxiter": 2}}}


def digits(dtype=torch.float64):
    X, y = load_digits(return_X_y=True)
    return torch.tensor(X / 16.0, dtype=dtype, device=DEVICE), torch.tensor(y, device=DEVICE)


def network(*widths, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layers = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1]).to(DEVICE, dtype)


def small(seed=0, dtype=torch.float64):
    """A network with 27 parameters and its data."""
    model = network(3, 4, 2, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(20, 3)), dtype=dtype, device=DEVICE)
    y = torch.tensor(rng.integers(2, size=20), device=DEVICE)
    return model, X, y


def closure_of(model, X, y):
    def closure(backward=True):
        loss = torch.nn.functional.cross_entropy(model(X), y)
        if backward:
            model.zero_grad()
            loss.backward()
        return loss

    return closure


def closure_for(method, model, X, y):
    """The form of closure that the method needs."""
    if {"gauss-newton", "residuals"} & method.all_needs():
        return lambda: (torch.tanh(model(X)[:, 0]) - y, refopt.torch.squares)
    return closure_of(model, X, y)


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).cpu().numpy()


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
    """Every elementwise method, with a step size, brings the loss of a small network well down in two epochs."""
    lr = {"CoordinateMomentum": 0.3, "ReduceOutwardLR": 0.3, "HeavyBall": 0.05, "EMA": 0.3}.get(
        entry.name, 1e-2
    )
    X, y = digits()
    model = network(64, 16, 10)
    optimizer = refopt.torch.Optimizer(
        model.parameters(), [entry.make(), refopt.LR(lr)], **rng_for(entry.make())
    )
    loss_of = torch.nn.CrossEntropyLoss()
    before = loss_of(model(X), y).item()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    for batch in [*order.split(50), *order.split(50)]:
        optimizer.zero_grad()
        loss_of(model(X[batch]), y[batch]).backward()
        optimizer.step()
    assert loss_of(model(X), y).item() < 0.6 * before


def complete(entry):
    return entry.complete(**SHORT.get(entry.name, {}))


def rng_for(method):
    return {"rng": 0} if "rng" in method.all_needs() else {}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
def test_every_recipe_steps(entry):
    """Every method of the registry, as its name stands for, lowers the loss on a batch, through one closure."""
    model, X, y = small()
    method = complete(entry)
    closure = closure_for(method, model, X, y)
    optimizer = refopt.torch.Optimizer(model.parameters(), method, **rng_for(method))
    losses = [optimizer.step(closure).item() for _ in range(6)]
    # LR is gradient descent with 1e-3, and GradMin lowers the gradient
    assert losses[-1] < losses[0] or entry.name == "GradMin"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
def test_steps_are_those_of_the_driver(entry):
    """On a deterministic closure the optimizer walks the driver's path: same numbers, however they travel.

    1e-9: values from torch may differ in the last place between the two ways of asking for them.
    """
    method = complete(entry)
    if "rng" in method.all_needs():
        pytest.skip("its generator is spawned, so that groups are independent")
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


def test_named_parameters_and_options():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.named_parameters(), "cubic_adam", lr=0.02, beta1=0.8)
    assert optimizer.param_groups[0]["lr"] == 0.02 and optimizer.param_groups[0]["beta1"] == 0.8
    optimizer.step(closure_of(model, X, y))
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"


def test_a_repeated_name_belongs_to_no_group():
    model, _, _ = small()
    optimizer = refopt.torch.Optimizer(
        model.parameters(), [refopt.Adam(), refopt.CubicAdam(), refopt.LR(1e-3)]
    )
    assert "beta1" not in optimizer.param_groups[0] and "beta3" in optimizer.param_groups[0]
    with pytest.raises(ValueError, match="'beta1' occurs in several parts"):
        refopt.torch.Optimizer(
            [{"params": model.parameters(), "beta1": 0.5}],
            [refopt.Adam(), refopt.CubicAdam(), refopt.LR(1e-3)],
        )


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


def squares(model, X):
    def closure():
        model.zero_grad()
        loss = (model(X) ** 2).mean()
        loss.backward()
        return loss

    return closure


def test_layouts_of_memory_make_no_difference():
    """Transposed and channels-last parameters, scalars, a single tensor."""
    rng = np.random.default_rng(5)
    shapes = [(4, 3), (), (2, 3, 4, 5), (1,)]
    values = [torch.tensor(rng.normal(size=s), device=DEVICE) for s in shapes]
    plain = [v.clone().requires_grad_() for v in values]
    odd = [
        values[0].t().contiguous().t().requires_grad_(),
        values[1].clone().requires_grad_(),
        values[2].to(memory_format=torch.channels_last, copy=True).requires_grad_(),
        values[3].clone().requires_grad_(),
    ]
    assert not odd[0].is_contiguous() and not odd[2].is_contiguous()
    for method in ("CubicAdam", "LBFGS", "Newton"):
        for params in (plain, odd):
            optimizer = refopt.torch.Optimizer(params, method)
            for _ in range(3):
                optimizer.zero_grad()
                bowl(params).backward()
                optimizer.step((lambda params=params: bowl(params)) if optimizer.needs_closure else None)
        for p, q in zip(plain, odd, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


def bowl(params):
    """The value; torch computes all derivatives of it."""
    return sum(((p - 2) ** 4).sum() for p in params)


# ---------------------------------------------------------------- closures


def test_closure_forms_agree():
    """A closure that is told, one that only returns the loss, one that always differentiates: one path."""
    paths = []
    for form in range(3):
        model, X, y = small()
        told = closure_of(model, X, y)
        closure = [told, lambda told=told: told(False), lambda told=told: told(True)][form]
        optimizer = refopt.torch.Optimizer(model.parameters(), "LBFGS")
        for _ in range(5):
            optimizer.step(closure)
        paths.append(flat(model))
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0], paths[2])


def test_step_returns_the_loss_before_it():
    model, X, y = small()
    closure = closure_of(model, X, y)
    for method in ("Adam", "Newton"):
        optimizer = refopt.torch.Optimizer(model.parameters(), method)
        before = closure(False).item()
        loss = optimizer.step(closure)
        assert loss.item() == before and torch.is_tensor(loss)
    closure()
    assert refopt.torch.Optimizer(model.parameters(), "Adam").step() is None


def test_gradients_clipped_in_the_closure_count():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.parameters(), refopt.LR(1.0))
    before = flat(model)

    def closure():
        closure_of(model, X, y)()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        return torch.tensor(0.0)

    optimizer.step(closure)
    assert np.linalg.norm(flat(model) - before) == pytest.approx(1e-3, rel=1e-3)  # clip adds 1e-6 to the norm


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


def save_and_load(state, safe=True):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=safe)


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


class Forgetful(refopt.Method):
    """A method whose state holds a function."""

    def init(self, x, shapes=None, rng=None):
        return (lambda u: u,)

    def step(self, point, update, state):
        return state[0](update), state


def test_what_cannot_be_saved_is_named():
    model, X, y = small()
    optimizer = refopt.torch.Optimizer(model.parameters(), Forgetful())
    optimizer.step(closure_of(model, X, y))
    with pytest.raises(TypeError, match="state_dict: state.* cannot be saved"):
        optimizer.state_dict()


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


@pytest.mark.parametrize("bits", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_encoding_keeps_every_bit(bits):
    from refopt.parts.momentum import EMAState
    from refopt.torch.encoding import decode, encode

    generator = np.random.Generator(getattr(np.random, bits)(7))
    generator.standard_normal(3)
    generator.integers(5, dtype=np.uint32)  # leaves half a word behind
    value = {
        "a": (1, 2.5, "x", None, True, [np.float32(0.1), np.float64("nan"), np.int64(3)]),
        4: {"b": ()},
        "record": EMAState(2, np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        "odd": [
            np.array([0.1], dtype=np.longdouble),
            np.zeros((0, 3)),
            np.array([1 + 2j]),
            np.array([True]),
            np.array(3.0),
            np.array([np.nan, -0.0, np.inf], dtype=np.float32),
        ],
    }
    twin, again = decode(save_and_load(encode([value, generator])))
    assert repr(twin) == repr(value) and type(twin["record"]) is EMAState
    assert twin["record"].m.flags.f_contiguous and twin["record"].m.flags.writeable
    for a, b in zip(twin["odd"], value["odd"], strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    assert type(twin["a"][5][0]) is np.float32 and type(twin["a"][4]) is bool
    np.testing.assert_array_equal(again.standard_normal(10), generator.standard_normal(10))
    np.testing.assert_array_equal(
        again.integers(9, size=3, dtype=np.uint32), generator.integers(9, size=3, dtype=np.uint32)
    )


def test_a_file_cannot_name_any_class():
    from refopt.torch.encoding import decode

    with pytest.raises(ValueError, match="none of the classes"):
        decode({"kind": "object", "class": "subprocess:Popen", "parts": []})
    with pytest.raises(ValueError, match="not known here"):
        decode({"kind": "record", "class": "not_loaded_module:State", "parts": []})
    with pytest.raises(ValueError, match="fields"):
        decode({"kind": "record", "class": "refopt.parts.momentum:EMAState", "parts": [1]})


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


def copies(monkeypatch, model, method, closure):
    """Copies of all parameters (or gradients) in one step after the first, by kind."""
    counted = {"in": 0, "out": 0}

    def count(kind, real):
        def counting(*args, **kwargs):
            counted[kind] += 1
            return real(*args, **kwargs)

        return counting

    optimizer = refopt.torch.Optimizer(model.parameters(), method)
    optimizer.step(closure)
    monkeypatch.setattr(Layout, "gather", count("in", Layout.gather))
    for name in ("write", "subtract"):
        monkeypatch.setattr(Layout, name, count("out", getattr(Layout, name)))
    optimizer.step(closure)
    return counted


@pytest.mark.parametrize(
    "method, allowed",
    [
        ("Adam", {"in": 1, "out": 1}),  # gradients in, update out; the parameters are not copied at all
        ([refopt.ReduceOutwardLR(), refopt.LR(0.1)], {"in": 2, "out": 1}),  # it looks at the parameters
    ],
)
def test_copies_of_a_step_with_several_tensors(monkeypatch, method, allowed):
    model, X, y = small()
    assert copies(monkeypatch, model, method, closure_of(model, X, y)) == allowed


def test_copies_of_a_step_with_values(monkeypatch):
    """Parameters in once, out once for each trial point that is evaluated; gradients in."""
    model, X, y = small()
    evaluated = []

    def closure(backward=True):
        evaluated.append(1)
        return torch.nn.functional.cross_entropy(model(X), y)

    counted = copies(monkeypatch, model, [refopt.LR(1e-3), refopt.Backtracking()], closure)
    assert len(evaluated) == 4 and counted == {"in": 2, "out": 1}  # two steps of two evaluations


@pytest.mark.skipif(DEVICE != "cpu", reason="about CPU memory")
def test_a_single_tensor_is_not_copied(monkeypatch):
    model = torch.nn.Linear(3, 1, bias=False).double()
    X = torch.ones(2, 3, dtype=torch.float64)
    assert copies(monkeypatch, model, [refopt.ReduceOutwardLR(), refopt.LR(0.1)], squares(model, X)) == {
        "in": 0,
        "out": 1,
    }


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
            assert all(m.elementwise or dataclasses.fields(m)[0].name == "methods" for m in walk(method)), (
                entry.name
            )
