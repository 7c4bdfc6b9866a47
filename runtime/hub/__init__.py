"""The node process: it routes and decides, and never runs or unpickles user code."""
