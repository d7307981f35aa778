"""Reads of inventory. Import the submodule."""
