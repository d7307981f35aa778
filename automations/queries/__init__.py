"""Reads shaped for screens, by noun."""
