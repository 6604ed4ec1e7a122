"""Taylor rules of Fourier transforms: `autograd.numpy.fft`."""

from __future__ import annotations

from typing import Any

import autograd.numpy.fft as fft

from .families import inner, linear, raw


def transform(fun: Any, default_axes: Any) -> None:
    """One Fourier transform; for several directions its axes are counted from the end."""

    def batched(
        np: Any, c: Any, ans: Any, x: Any, n: Any = None, axes: Any = default_axes, norm: Any = None
    ) -> Any:
        if axes is None and n is not None:
            axes = tuple(range(-len(n), 0))
        return raw(fun, np)(c, n, inner(axes, x), norm)

    def renamed(np: Any, c: Any, ans: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = {{"s": "n", "axis": "axes"}.get(name, name): value for name, value in kwargs.items()}
        return batched(np, c, ans, x, *args, **kwargs)

    linear(fun, renamed)


for fun in (fft.fft, fft.ifft, fft.rfft, fft.irfft):
    transform(fun, -1)
for fun in (fft.fft2, fft.ifft2, fft.rfft2, fft.irfft2):
    transform(fun, (-2, -1))
for fun in (fft.fftn, fft.ifftn, fft.rfftn, fft.irfftn):
    transform(fun, None)
for fun in (fft.fftshift, fft.ifftshift):
    linear(fun, lambda np, c, ans, x, axes=None, _fun=fun: raw(_fun, np)(c, inner(axes, x)))
linear(fft.truncate_pad, None)
