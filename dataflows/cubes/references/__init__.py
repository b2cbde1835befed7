"""What :mod:`dataflows.cubes.virtual` makes virtual cubes of: scenes → sources → groups that agree → references along time.

What cannot be referenced exactly is refused by name, in ``refusals``.
"""
