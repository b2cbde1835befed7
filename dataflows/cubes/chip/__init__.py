"""What :mod:`dataflows.cubes.chips` makes chips of: a plan → groups → slots → orders → cut → one group of the repository.

``group`` is the stored form, and what reads chips begins with it (``blocks``, ``site``); all other modules build.
"""
