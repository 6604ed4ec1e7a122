"""Objectives in plain NumPy: assignment into arrays, reductions, linear algebra, sorting, counting."""

from __future__ import annotations

import io

import numpy as np

from .base import plain

A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
B = np.array([1.0, 2.0, 3.0])
GOAL = np.array([1.0, -2.0, 0.5])
T = np.linspace(0.0, 2.0, 21)
DECAY = 3.0 * np.exp(-1.2 * T)
ONE = [0.0, 0.0, 0.0]

# ---------------------------------------------------------------- assignment into arrays


@plain([0.0, 0.0], [3.0, -1.0])
def residuals_in_place(x):
    y = np.zeros(2)
    y[0] = x[0] - 3
    y[1] = 2 * (x[1] + 1)
    return float(y @ y)


@plain([-1.2, 1.0], [1.0, 1.0])
def rosenbrock_in_place(x):
    r = np.zeros(2)
    r[0] = 10 * (x[1] - x[0] ** 2)
    r[1] = 1 - x[0]
    return r @ r


@plain([1.0, 1.0], [3.0, 1.2])
def euler_steps(x):
    y = np.empty(201)
    y[0] = x[0]
    h = 0.01
    for i in range(200):
        k = -x[1] * y[i]
        y[i + 1] = y[i] + h * (k + h / 2 * -x[1] * k)
    exact = np.empty(201)
    exact[0] = 3.0
    for i in range(200):
        exact[i + 1] = exact[i] * (1 - 0.012 + 0.012**2 / 2)
    return np.sum((y - exact) ** 2)


@plain(ONE, GOAL.tolist())
def zeros_like_x(x):
    r = np.zeros_like(x)
    for i in range(len(x)):
        r[i] = x[i] - GOAL[i]
    return np.sum(r**2)


@plain(ONE, GOAL.tolist())
def empty_like_x(x):
    r = np.empty_like(x)
    r[:] = x - GOAL
    return float(np.dot(r, r))


@plain([1.0, 1.0, 1.0])
def stiffness_assembly(x):
    K = np.zeros((4, 4))
    for i, k in enumerate(np.exp(x)):
        K[i : i + 2, i : i + 2] += k * np.array([[1.0, -1.0], [-1.0, 1.0]])
    u = np.linalg.solve(K[1:, 1:], np.array([0.1, 0.2, 0.3]))
    return np.sum((u - [0.5, 0.8, 0.9]) ** 2)


@plain(ONE, GOAL.tolist())
def add_at(x):
    total = np.zeros(3)
    np.add.at(total, [0, 1, 2], x - GOAL)
    return (total**2).sum()


@plain(ONE, [1.0, -2.0, 0.5])
def fill_diagonal(x):
    M = np.zeros((3, 3))
    np.fill_diagonal(M, x - GOAL)
    return np.trace(M @ M)


@plain([2.0, 3.0], [0.5, 0.5])
def masked_assignment(x):
    y = x - 0.5
    y = y.copy()
    y[y < 0] = 2 * y[y < 0]
    return np.sum(y**2)


@plain([2.0, 3.0], [1.0, 1.0])
def mutates_x(x):
    x -= 1
    return np.sum(x**2)


@plain([2.0, 3.0], [1.0, 0.0])
def mutates_one_entry(x):
    x[0] = x[0] - 1
    return np.sum(x**2)


@plain([2.0, 3.0], [1.0, -1.0])
def augmented_copy(x):
    p = np.array(x)
    p[0] -= 1
    p[1] += 1
    return np.sum(p**2 + p**4)


@plain([0.3, 0.7], [1.0, 2.0])
def out_keyword(x):
    r = np.zeros(2)
    np.subtract(x, [1.0, 2.0], out=r)
    return (r * r).sum()


@plain([0.3, 0.7])
def insert_and_append(x):
    y = np.insert(x, 1, 0.2)
    y = np.append(y, x[0] * x[1])
    return np.sum((y - 1) ** 2)


@plain([0.3, 0.7], [1.0, 2.0])
def structured_array(x):
    record = np.zeros(1, dtype=[("a", float), ("b", float)])
    record["a"], record["b"] = x
    return float((record["a"][0] - 1) ** 2 + (record["b"][0] - 2) ** 2)


# ---------------------------------------------------------------- reductions and ufuncs of plain numpy


@plain(ONE, GOAL.tolist())
def np_sum(x):
    return np.sum((x - GOAL) ** 2)


@plain(ONE, GOAL.tolist())
def np_mean(x):
    return np.mean((x - GOAL) ** 2)


@plain([3.0, 1.0, -2.0])
def np_var(x):
    return np.var(x) + np.mean(x) ** 2


@plain([3.0, 1.0, -2.0])
def np_std(x):
    return np.std(x - GOAL) ** 2 + (np.sum(x) - 1) ** 2


@plain(ONE, GOAL.tolist(), kinked=True)
def np_max(x):
    return np.max(np.abs(x - GOAL))


@plain([2.0, -1.0], [0.0, 0.0])
def np_where_scalar(x):
    return np.where(x[0] > 0, x[0] ** 2, 3 * x[0] ** 2) + x[1] ** 2


@plain([2.0, -1.0])
def np_roll(x):
    return ((x - np.roll(x, 1)) ** 2).sum() + (x[0] - 1) ** 2


@plain([0.5, 0.5], [0.2, 0.8])
def np_clip(x):
    return np.sum((np.clip(x, -5, 5) - [0.2, 0.8]) ** 2)


@plain([2.0, 2.0, 2.0], GOAL.tolist())
def np_linalg_norm(x):
    return np.linalg.norm(x - GOAL) ** 2


@plain([3.0, 1.0, 2.0])
def np_sort(x):
    return np.sum((np.sort(x) - [1.0, 2.5, 4.0]) ** 2)


@plain([3.0, 1.0, 2.0])
def np_median(x):
    return (np.median(x) - 1) ** 2 + np.sum((x - GOAL) ** 2)


@plain([3.0, 1.0, 2.0], kinked=True)
def np_percentile(x):
    return (np.percentile(x, 30) - 1) ** 2 + 0.1 * np.sum(x**2)


@plain(ONE, [1.0, -3.0, 2.5])
def np_cumsum(x):
    return np.sum((np.cumsum(x) - GOAL) ** 2)


@plain([1.0, 1.0, 1.0], [2.0, 1.5, 0.5])
def np_cumprod(x):
    return np.sum((np.cumprod(x) - [2.0, 3.0, 1.5]) ** 2)


@plain(ONE)
def np_diff(x):
    return np.sum((np.diff(x) - 1) ** 2) + x[0] ** 2


@plain([1.0, 1.0])
def np_trapezoid(x):
    return np.trapezoid((x[0] * np.exp(-x[1] * T) - DECAY) ** 2, T)


@plain([0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
def np_interp_values(x):
    return np.sum(
        (np.interp([0.0, 0.25, 0.5, 0.9, 1.0], [0.0, 0.5, 1.0], x) - [1.0, 1.5, 2.0, 2.8, 3.0]) ** 2
    )


@plain([0.3, 0.2])
def np_gradient(x):
    return np.sum((np.gradient(x[0] * T**2 + x[1] * T, T) - (2 * T + 1)) ** 2)


@plain([0.5, 0.5], [1.0, -0.5])
def np_convolve(x):
    return np.sum((np.convolve(B, x) - np.convolve(B, [1.0, -0.5])) ** 2)


@plain([0.5, 0.5])
def np_polyfit(x):
    slope, level = np.polyfit(T, np.exp(-x[0] * T) + x[1], 1)
    return (slope + 0.4) ** 2 + (level - 1) ** 2


@plain([0.5, 0.5, 0.5], [2.0, -1.0, 0.3])
def np_polyval(x):
    return np.sum((np.polyval(x, T) - np.polyval([2.0, -1.0, 0.3], T)) ** 2)


@plain(ONE, np.linalg.solve(A, B).tolist())
def np_einsum(x):
    return 0.5 * np.einsum("i,ij,j", x, A, x) - np.einsum("i,i->", B, x)


@plain(ONE, np.linalg.solve(A, B).tolist())
def np_dot(x):
    return 0.5 * np.dot(x, np.dot(A, x)) - np.dot(B, x)


@plain(ONE, np.linalg.solve(A, B).tolist())
def matmul_operator(x):
    return 0.5 * x @ A @ x - B @ x


@plain([1.0, 0.5, 0.5])
def np_outer(x):
    return np.sum((np.outer(x, x) - np.outer(GOAL, GOAL)) ** 2)


@plain([1.0, 0.5])
def np_kron(x):
    return np.sum((np.kron(x, [1.0, 2.0]) - np.kron([3.0, -1.0], [1.0, 2.0])) ** 2)


@plain([0.5, 0.5])
def np_multiply_outer(x):
    return np.sum((np.multiply.outer(x, B) - np.multiply.outer([1.0, 2.0], B)) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def np_prod(x):
    return (np.prod(x) - 1) ** 2 + (x[0] - x[1]) ** 2


@plain([0.5, 0.7])
def logaddexp_reduce(x):
    return np.logaddexp.reduce(x * 2) - x.sum() + 0.1 * np.sum(x**2)


@plain(ONE, GOAL.tolist())
def add_reduce(x):
    return np.add.reduce((x - GOAL) ** 2)


@plain([0.5, 0.7])
def np_hypot(x):
    return np.hypot(x[0] - 1, 2) + np.hypot(x[1], 1)


@plain([0.5, 0.7])
def np_ptp(x):
    return np.ptp(np.concatenate([x, [3.0, -3.0]])) + np.sum((x - 1) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def np_nansum(x):
    return np.nansum(np.append((x - 1) ** 2, np.nan))


@plain([0.5, 0.7])
def np_cov(x):
    return np.cov(np.append(x, [0.0, 1.0]), [1.0, 2.0, 3.0, 4.0])[0, 1] ** 2 + np.sum((x - 1) ** 2)


@plain([0.5, 0.7])
def np_corrcoef(x):
    return 1 - np.corrcoef(np.append(x, 0.0), [1.0, 3.0, 2.0])[0, 1] + 0.1 * np.sum((x - 1) ** 2)


@plain([0.5, 0.7])
def bincount_weights(x):
    return np.sum((np.bincount([0, 1, 0, 1], weights=np.concatenate([x, 2 * x])) - [3.0, 6.0]) ** 2)


@plain([0.5, 0.7], kinked=True)
def histogram_and_smooth(x):
    counts, _ = np.histogram(x, bins=[-1.0, 0.0, 1.0, 2.0])
    return counts[0] + np.sum((x - 0.6) ** 2)


@plain([0.5, 0.7], [0.25, 0.75])
def np_piecewise(x):
    y = x - [0.25, 0.75]
    return np.sum(np.piecewise(y, [y < 0, y >= 0], [lambda v: v**2, lambda v: 2 * v**2]))


@plain([0.5, 0.7])
def np_select(x):
    return np.sum(np.select([np.abs(x) <= 1, np.abs(x) > 1], [0.5 * (x - 0.2) ** 2, x**2]))


@plain([0.5, 0.7], [1.0, 2.0])
def np_tile_repeat(x):
    return np.sum((np.tile(x, 2) - [1.0, 2.0, 1.0, 2.0]) ** 2) + np.sum(
        (np.repeat(x, 2) - [1.0, 1.0, 2.0, 2.0]) ** 2
    )


@plain([0.5, 0.7], [1.0, 2.0])
def masked_array(x):
    return np.ma.masked_invalid(np.append((x - [1.0, 2.0]) ** 2, np.nan)).sum()


@plain([0.5, 0.7])
def np_vectorize(x):
    return np.vectorize(lambda v: (v - 1) ** 2 if v > 0 else 1 - 2 * v)(x).sum()


@plain([0.5, 0.7], [1.0, 1.0])
def np_frompyfunc(x):
    return np.frompyfunc(lambda v: (v - 1) ** 2, 1, 1)(x).sum()


@plain([0.5, 0.7], [1.0, 1.0])
def apply_along_axis(x):
    return float(np.apply_along_axis(lambda row: np.sum((row - 1) ** 2), 1, np.reshape(x, (1, 2)))[0])


@plain([0.5, 0.7], [1.0, 1.0])
def from_iterator(x):
    return np.fromiter(((v - 1) ** 2 for v in x), dtype=float).sum()


@plain([0.5, 0.7], [1.0, 1.0])
def nditer(x):
    return sum((float(v) - 1) ** 2 for v in np.nditer(x))


@plain([0.5, 0.7], [1.0, 1.0])
def ndenumerate(x):
    return sum((i[0] + 1) * (v - 1) ** 2 for i, v in np.ndenumerate(x))


@plain([0.5, 0.7], [1.0, 1.0])
def flat_iterator(x):
    return sum((v - 1) ** 2 for v in x.flat)


@plain([0.5, 0.7], [1.0, 2.0])
def save_and_load(x):
    file = io.BytesIO()
    np.save(file, x)
    file.seek(0)
    return np.sum((np.load(file, allow_pickle=True) - [1.0, 2.0]) ** 2)


@plain([0.5, 0.7], [1.0, 2.0])
def from_buffer(x):
    return np.sum((np.frombuffer(x.tobytes()) - [1.0, 2.0]) ** 2)


@plain([0.5, 0.7], [1.0, 2.0])
def view_as_bytes(x):
    return np.sum((x.view(np.uint8).view(float) - [1.0, 2.0]) ** 2)


# ---------------------------------------------------------------- linear algebra


@plain([0.5, 0.5])
def linalg_solve(x):
    return np.sum((np.linalg.solve(A + np.diag([x[0] ** 2, x[1] ** 2, 1.0]), B) - [0.1, 0.5, 0.7]) ** 2)


@plain([0.5, 0.5])
def gaussian_likelihood_cholesky(x):
    try:
        L = np.linalg.cholesky(np.exp(x[0]) * A + np.exp(x[1]) * np.eye(3))
    except np.linalg.LinAlgError:
        return 1e10
    z = np.linalg.solve(L, 3 * B)
    return 0.5 * z @ z + np.sum(np.log(np.diag(L)))


@plain([0.5, 0.5])
def gaussian_likelihood_slogdet(x):
    S = np.exp(x[0]) * A + np.exp(x[1]) * np.eye(3)
    sign, logdet = np.linalg.slogdet(S)
    if sign <= 0:
        return np.inf
    return 0.5 * logdet + 0.5 * 9 * B @ np.linalg.inv(S) @ B


@plain([0.5, 0.5])
def eigenvalues(x):
    return np.sum((np.linalg.eigvalsh(np.array([[x[0], 1.0], [1.0, x[1]]])) - [0.0, 3.0]) ** 2)


@plain([0.5, 0.5])
def eigenvalues_in_place(x):
    M = np.eye(2)
    M[0, 0], M[1, 1] = x
    M[0, 1] = M[1, 0] = 1.0
    return np.sum((np.linalg.eigvalsh(M) - [0.0, 3.0]) ** 2)


@plain([0.5, 0.3])
def singular_values(x):
    return np.sum((np.linalg.svd(np.array([[x[0], 1.0], [0.0, x[1]]]), compute_uv=False) - [2.0, 1.0]) ** 2)


@plain([0.5, 0.3])
def pseudo_inverse(x):
    P = np.linalg.pinv(np.array([[x[0], 1.0], [0.0, x[1]], [1.0, 1.0]]))
    return np.sum((P @ B - [1.0, 1.0]) ** 2) + 0.1 * np.sum((x - 1) ** 2)


@plain([0.5, 0.3], [1.2, 0.4])
def variable_projection(x):
    basis = np.column_stack([np.exp(-x[0] * T), np.exp(-x[1] * T)])
    data = 2 * np.exp(-1.2 * T) + np.exp(-0.4 * T)
    c, *_ = np.linalg.lstsq(basis, data, rcond=None)
    return 100 * np.sum((basis @ c - data) ** 2)


@plain([0.5, 0.3])
def qr_determinant(x):
    _, R = np.linalg.qr(A + np.diag([x[0], x[1], 0.0]))
    return (np.abs(np.prod(np.diag(R))) - 20) ** 2 / 100 + np.sum(x**2)


@plain([0.5, 0.3])
def matrix_power(x):
    M = np.array([[0.5, x[0]], [x[1], 0.5]])
    return np.sum((np.linalg.matrix_power(M, 3) - [[0.2, 0.3], [0.4, 0.2]]) ** 2)


@plain([0.5, 0.3])
def determinant(x):
    return (np.linalg.det(A + np.diag([x[0], x[1], 0.0])) - 25) ** 2 / 100 + np.sum(x**2)


@plain([0.5, 0.3], [0.7, 0.2])
def discrete_lyapunov_loop(x):
    P, M = np.eye(2), np.array([[x[0], 0.1], [0.0, x[1]]])
    N, Q = np.array([[0.7, 0.1], [0.0, 0.2]]), np.eye(2)
    for _ in range(6):
        P, Q = M @ P @ M.T + np.eye(2), N @ Q @ N.T + np.eye(2)
    return np.sum((P - Q) ** 2)


# ---------------------------------------------------------------- complex numbers and transforms


@plain([0.5, 0.3], [1.0, -1.0])
def complex_impedance(x):
    w = np.array([0.1, 1.0, 10.0])
    model = np.exp(x[0]) / (1 + 1j * w * np.exp(x[1]))
    return np.sum(np.abs(model - np.exp(1.0) / (1 + 1j * w * np.exp(-1.0))) ** 2)


@plain([0.5, 0.3], [1.0, 2.0])
def complex_argument(x):
    z = complex(x[0], x[1])
    return abs(z - (1 + 2j)) ** 2


@plain([0.5, 0.3, 0.1, 0.0])
def fourier(x):
    F = np.fft.fft(x)
    return np.sum(np.abs(F - np.fft.fft([1.0, 2.0, 3.0, 4.0])) ** 2)


@plain([0.5, 0.3, 0.1, 0.0])
def real_fourier_power(x):
    F = np.fft.rfft(x)
    return np.sum((F.real**2 + F.imag**2 - [4.0, 2.0, 1.0]) ** 2) + np.sum((x - 0.5) ** 2)


@plain([0.5, 0.3], [1.0, 2.0])
def complex_array_in_place(x):
    z = np.zeros(1, dtype=complex)
    z[0] = x[0] + 1j * x[1]
    return float(np.abs(z[0] - (1 + 2j)) ** 2)


# ---------------------------------------------------------------- sorting, selecting, counting


@plain([0.5, 0.7], kinked=True)
def argmax_penalty(x):
    return np.sum((x - 1) ** 2) + x[np.argmax(x)]


@plain([3.0, 1.0, 2.0])
def argsort_weights(x):
    return np.sum(x[np.argsort(x)] ** 2 * [1.0, 2.0, 3.0]) - x.sum()


@plain([3.0, 1.0, 2.0], GOAL.tolist())
def python_sorted(x):
    return sum((v - g) ** 2 for v, g in zip(sorted(x), sorted(GOAL), strict=True)) + np.sum((x - GOAL) ** 2)


@plain([3.0, 1.0, 2.0], kinked=True)
def python_max_min(x):
    return max(x) ** 2 + min(x) ** 2 + sum(x) ** 2


@plain([0.5, 0.7])
def searchsorted_table(x):
    i = np.searchsorted([0.0, 1.0, 2.0], x[0]) - 1
    i = min(max(int(i), 0), 1)
    return (x[0] - 0.5 - i * 0.0) ** 2 + (x[1] - 1) ** 2


@plain([0.5, 0.7], [1.0, 1.0])
def take_and_choose(x):
    return np.sum((np.take(x, [0, 1, 0]) - 1) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def boolean_index(x):
    return np.sum((x[np.isfinite(x)] - 1) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def unique_values(x):
    return np.sum((np.unique(x) - 1) ** 2) + np.sum((x - 1) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def any_all_guards(x):
    if np.any(np.isnan(x)) or not np.all(np.isfinite(x)):
        return np.inf
    return np.sum((x - 1) ** 2)


@plain([0.5, 0.7], [1.0, 1.0])
def allclose_shortcut(x):
    if np.allclose(x, 0):
        return 2.0
    return np.sum((x - 1) ** 2)


@plain([0.5, 0.7], kinked=True)
def rounded(x):
    return np.sum((np.round(x, 2) - 1) ** 2)


@plain([0.5, 0.7], kinked=True)
def rounded_and_smooth(x):
    return np.sum((np.floor(10 * x) / 10 - 1) ** 2) + 0.01 * np.sum(x**2)


@plain([0.5, 0.7], kinked=True)
def absolute_value_at_a_tie(x):
    return abs(x[0] - 0.5) + 2 * abs(x[0] - x[1])


@plain([1.0, 1.0], kinked=True)
def maximum_at_a_tie(x):
    return np.maximum(x[0], x[1]) ** 2 + 0.1 * x[0] + 0.1 * np.sum(x**2)
