"""One objective seen as another: in projected variables, as the size of its gradient, as a linear system."""
