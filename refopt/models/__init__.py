"""Models of a function around a point: Taylor's polynomial, curvature matrices, quasi-Newton updates."""
