"""The lists of orders and what belongs to them, by noun. Import the submodule."""
