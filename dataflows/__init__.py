"""How: Hamilton modules of small functions, and what runs them."""

from hamilton import registry

# Hamilton would import every optional library that it has an adapter for (scikit-learn, dask …): seconds at each start
registry.disable_autoload()
