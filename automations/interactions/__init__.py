"""Rules that meet: what one makes of what another does, decided on the documents alone."""
