"""Other values for the constants of a lesson's ``parameters`` cell; the lesson must hold with them too."""

from __future__ import annotations

CHANGES: dict[str, tuple[str, ...]] = {
    "00_start_here": ("START = [0.5, -1.5]; TOL = 1e-6", "START = [-1.9, -0.5]; TOL = 1e-10"),
    "01_write_your_own_method": ("FIRST = 1e-4; CONDITION = 30.0", "FIRST = 1.5e-3; CONDITION = 300.0"),
    "02_refopt_inside_scipy": ("START = [-0.5, 1.5]; SCALE = 1e5",),
    "03_the_oracle": ("STEPS = 40; LR = 0.03",),
    "04_torch": ("HIDDEN = 12; LR = 0.01; STEPS = 100; SEED = 1",),
    "15_infinity_norm_trust_region": ("RADIUS = 0.3", "RADIUS = 1.0"),
}
