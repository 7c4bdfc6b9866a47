"""All hostile programs by their names."""

from tests.hostile import (
    cpu,
    deaths,
    descriptors,
    interpreter,
    memory,
    output,
    processes,
    raising,
    results,
    threads,
    waiting,
)

MODULES = (
    cpu, waiting, threads, deaths, memory, processes, descriptors, output, results, raising, interpreter
)  # fmt: skip
PROGRAMS = {program.name: program for module in MODULES for program in module.PROGRAMS}
