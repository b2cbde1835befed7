"""Icechunk repositories, whatever is in them: where they lie, sessions, locks, and the metadata of groups and commits.

A version is read, and a build becomes one commit or none, through ``store``.
"""
