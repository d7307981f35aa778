"""Ways to run on one machine: embedded servers, the site's processes and who watches them."""
