"""The public methods around the fourteen: step sizes, momentum, line searches, directions, projections."""
