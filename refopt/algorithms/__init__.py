"""The fourteen methods, one file each; the file has the name of the class in snake_case."""
