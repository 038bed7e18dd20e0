"""Sayna: the open server that gives any application a voice."""

from importlib.metadata import version

__version__ = version("sayna")
