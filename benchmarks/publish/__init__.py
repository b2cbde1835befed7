"""Exports, measured."""
