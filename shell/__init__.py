"""The shell: command line, terminal, and what of it runs on nodes (prelude and helpers)."""
