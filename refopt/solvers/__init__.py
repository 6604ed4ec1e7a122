"""Subproblem solvers, arrays in and arrays out: balls, boxes, Krylov spaces, towers of linear systems."""
