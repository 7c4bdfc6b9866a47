"""What moves on a terminal: progress, sparklines, the live view of all nodes. Standard library only: it runs there."""
