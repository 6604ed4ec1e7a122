"""The methods, one file each; `registry` lists them."""
