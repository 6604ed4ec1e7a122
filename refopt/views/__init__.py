"""Objectives made from others: in projected variables, the size of the gradient, a linear system."""
