"""Everything that decides, as plain classes: bytes, events and `now` go in, actions come out.

Nothing here imports asyncio, socket, time, random, threading or pickle, so the same code runs in
the hub and in the seeded simulator.
"""
