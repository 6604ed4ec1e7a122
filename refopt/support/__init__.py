"""What the fourteen methods need around them: step sizes, momentum, line searches, curvature models."""
