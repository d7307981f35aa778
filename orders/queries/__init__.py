"""Reads of orders. Import the submodule."""
