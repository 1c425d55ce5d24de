"""The contract of VideoJob: what a person applies, what a worker is told, what comes back.

Both sides import it; it imports neither, and does no IO.
"""
