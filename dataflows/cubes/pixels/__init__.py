"""Pixels: which of them show an installation or a zone, and what their numbers are worth.

Windows, outlines and covered shares on one side; reflectance, quality, indices and statistics on the other. ``scenes`` says
which file and band holds which band of a STAC item. Nothing here knows of repositories.
"""
