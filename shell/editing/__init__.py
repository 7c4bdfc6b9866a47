"""What the line editor is made of, in the words of prompt_toolkit; what decides is in `shell` itself."""
