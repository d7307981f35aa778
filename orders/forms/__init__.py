"""Input of orders, by noun. Import the submodule."""
