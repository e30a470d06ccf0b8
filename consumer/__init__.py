"""The service around the clips: events in, plans, rendered and announced clips out."""

from importlib.metadata import version

__version__ = version("skureel")
