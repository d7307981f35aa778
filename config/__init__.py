"""The roof: settings, urls, and the pages that compose every app."""
