"""What is called at a prompt to look at things: help, values, sources, files, and what the shell remembers.

Plain functions, public through `pysh` and imported when they are first used. They print text, so that they do the same
at a prompt, in a script and on another node. Only those that want the past of a shell need one: see `runner/inside.py`.
"""
