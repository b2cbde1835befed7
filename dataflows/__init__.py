"""How: Hamilton modules of small functions, and what runs them."""
