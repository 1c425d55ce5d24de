"""The worker: one input of a VideoJob from bytes in a store to verified, published results."""

__version__ = "0.1.0"
