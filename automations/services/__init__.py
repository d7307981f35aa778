"""Every write people make in the engine: rules, approvals, stops and cases."""
