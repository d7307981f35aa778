"""Systems outside: accounts, their approved scope and secrets, and the one way to call them."""
