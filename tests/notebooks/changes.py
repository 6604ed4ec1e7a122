"""Other values for the constants of a lesson's ``parameters`` cell; the lesson must hold with them too."""

from __future__ import annotations

CHANGES: dict[str, tuple[str, ...]] = {
    "15_infinity_norm_trust_region": ("RADIUS = 0.3", "RADIUS = 1.0"),
}
