"""One policy a file: pure functions over Observed. ``decide.POLICIES`` gives their order."""
