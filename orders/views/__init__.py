"""Screens of orders, customers and returns."""
