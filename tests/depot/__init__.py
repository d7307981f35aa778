"""A domain for tests of the engine: parcels that arrive, and actions that misbehave on demand."""
