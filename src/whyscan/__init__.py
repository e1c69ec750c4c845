"""Ask an image classifier why it said that about this scan, and whether to believe the answer."""

__version__ = "0.1.0"
