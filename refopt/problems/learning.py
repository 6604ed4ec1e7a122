"""Learning problems: logistic regression and a small network, on data from scikit-learn or drawn at random.

scikit-learn is imported when a problem that uses it is built. Each `def name(<options>)` returns the problem
`learning/name`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import autograd.numpy as np

from ..checks import in_interval, whole_number
from .base import Problem
from .classic import build_from

BREAST_CANCER_L2 = 1e-3


def softplus(u: Any) -> Any:
    """log(1 + exp(u)) for every u, without overflow.

    The formulas u + log(1 + exp(-u)) and log(1 + exp(u)) are equal. The sign of u only selects the one that
    does not overflow, so derivatives of every order are right everywhere, also at u = 0.
    """
    positive = np.where(u > 0, 1.0, 0.0)
    return positive * u + np.log(1.0 + np.exp((1.0 - 2.0 * positive) * u))


def log_sum_exp(z: Any) -> Any:
    """log(sum_k exp(z_ik)) for every row i. The shift is constant, because `floor` has derivative 0."""
    shift = np.max(np.floor(z), axis=1, keepdims=True)
    return shift[:, 0] + np.log(np.sum(np.exp(z - shift), axis=1))


def _load(name: str, who: str) -> tuple[Any, Any]:
    """The data set `load_<name>` of scikit-learn as (features, labels)."""
    try:
        import sklearn.datasets
    except ImportError as error:
        raise ImportError(
            f"{who} uses a data set that scikit-learn bundles, and scikit-learn is not installed: "
            "pip install 'refopt[learning]'"
        ) from error
    return getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)


def _logistic(features: Any, signs: Any, l2: float) -> Callable[[Any], Any]:
    """mean_i log(1 + exp(-s_i (a_i^T w + c))) + l2 |w|^2 / 2 as a function of x = (w, c)."""
    signed = -signs[:, None] * np.concatenate((features, np.ones((len(signs), 1))), axis=1)

    def fun(x):
        w = x[:-1]
        return np.mean(softplus(np.dot(signed, x))) + 0.5 * l2 * np.sum(w * w)

    return fun


def logistic_breast_cancer(l2: float = BREAST_CANCER_L2) -> Problem:
    """Logistic regression on the Wisconsin breast cancer data: 569 rows, 30 features, intercept last.

    f(w, c) = mean_i log(1 + exp(-s_i (a_i^T w + c))) + l2 |w|^2 / 2 with s_i = +1 (benign) or -1; the
    intercept c is not penalised. Features have mean 0 and standard deviation 1 (divisor 569). The start is 0,
    where f = log 2. The minimum is strict (the loss is convex and both classes occur); for the default `l2`
    it is stored, computed with 40 digits.
    """
    who = "learning/logistic_breast_cancer"
    l2 = in_interval(who, "l2", l2, "(0, inf)")
    features, labels = _load("breast_cancer", who)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    minima = []
    if l2 == BREAST_CANCER_L2:
        text = (
            resources.files("refopt.problems").joinpath("data/logistic_breast_cancer.json").read_text("utf-8")
        )
        known = json.loads(text)
        minima = [(known["f"], known["x"], "global (strictly convex)")]
    return Problem.build(
        who,
        fun=_logistic(features, 2.0 * labels - 1.0, l2),
        starts=[np.zeros(31)],
        minima=minima,
        source="W. H. Wolberg, W. N. Street, O. L. Mangasarian (1995), UCI repository, as bundled "
        f"in scikit-learn; l2 = {l2:g}",
    )


def logistic_synthetic(n: int = 100, m: int = 500, l2: float = 1e-3, seed: int = 0) -> Problem:
    """Logistic regression on m random rows with n - 1 features and an intercept (the last variable).

    Features are standard normal numbers times scales from 1 to 0.1. Labels are drawn from the model with
    standard normal weights divided by sqrt(n). The loss is that of `logistic_breast_cancer`, the start is 0.
    """
    who = "learning/logistic_synthetic"
    n, m = whole_number(who, "n", n, 2), whole_number(who, "m", m, 2)
    l2, seed = in_interval(who, "l2", l2, "(0, inf)"), whole_number(who, "seed", seed)
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((m, n - 1)) * np.geomspace(1.0, 0.1, n - 1)
    scores = np.dot(features, rng.standard_normal(n - 1) / np.sqrt(n))
    signs = np.where(rng.random(m) < 1.0 / (1.0 + np.exp(-scores)), 1.0, -1.0)
    return Problem.build(
        who,
        fun=_logistic(features, signs, l2),
        starts=[np.zeros(n)],
        source=f"drawn with numpy.random.default_rng({seed}); {m} rows, l2 = {l2:g}",
    )


def mlp_digits(hidden: int = 16, samples: int = 1797, l2: float = 1e-4, seed: int = 0) -> Problem:
    """A network 64 -> `hidden` (tanh) -> 10 on the first `samples` of 1797 images of digits.

    The images are 8 x 8, scaled to [0, 1]. With x = (W1, b1, W2, b2), tensors of shapes (64, hidden),
    (hidden,), (hidden, 10), (10,), f = mean cross-entropy of softmax(tanh(A W1 + b1) W2 + b2) + l2 |x|^2 / 2.
    The start, drawn with `numpy.random.default_rng(seed)`, has normal weights of standard deviation
    1/sqrt(inputs) and zero biases.
    """
    who = "learning/mlp_digits"
    hidden, samples = whole_number(who, "hidden", hidden, 1), whole_number(who, "samples", samples, 1)
    l2, seed = in_interval(who, "l2", l2, "[0, inf)"), whole_number(who, "seed", seed)
    images, labels = _load("digits", who)
    if samples > len(labels):
        raise ValueError(f"{who}: samples must be at most {len(labels)}, got {samples}")
    images, onehot = images[:samples] / 16.0, np.eye(10)[labels[:samples]]
    shapes = [(64, hidden), (hidden,), (hidden, 10), (10,)]
    ends = np.cumsum([64 * hidden, hidden, 10 * hidden, 10])

    def fun(x):
        w1, b1 = x[: ends[0]].reshape(shapes[0]), x[ends[0] : ends[1]]
        w2, b2 = x[ends[1] : ends[2]].reshape(shapes[2]), x[ends[2] :]
        z = np.dot(np.tanh(np.dot(images, w1) + b1), w2) + b2
        return np.mean(log_sum_exp(z)) - np.sum(z * onehot) / samples + 0.5 * l2 * np.sum(x * x)

    rng = np.random.default_rng(seed)
    x0 = np.concatenate(
        [
            rng.standard_normal(64 * hidden) / 8.0,
            np.zeros(hidden),
            rng.standard_normal(10 * hidden) / np.sqrt(hidden),
            np.zeros(10),
        ]
    )
    return Problem.build(
        who,
        fun=fun,
        starts=[x0],
        shapes=shapes,
        source="E. Alpaydin, C. Kaynak (1998), UCI repository, as bundled in scikit-learn; "
        f"{samples} images, start drawn with seed {seed}, l2 = {l2:g}",
    )


BUILDERS: dict[str, Callable[..., Problem]] = {
    f.__name__: f for f in (logistic_breast_cancer, logistic_synthetic, mlp_digits)
}

KEYS = tuple(BUILDERS)


def build(key: str, **options: Any) -> Problem:
    """The problem with that key."""
    return build_from("learning", BUILDERS, key, options)
