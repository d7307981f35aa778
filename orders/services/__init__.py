"""Every write of orders. Import the submodule."""
