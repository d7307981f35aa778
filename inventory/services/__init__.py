"""Every write of inventory. Import the submodule."""
