"""The rule document: what a rule is made of, how it is checked, hashed, told and compared."""
