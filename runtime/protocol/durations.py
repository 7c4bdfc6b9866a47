"""How long something takes, in words."""

_LONGEST = 1e12


def lasting(seconds: float) -> str:
    """`seconds` as people read them: `12 ms`, `3.2 s`, `12 s`, `1 min 12 s`, `25 h 0 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(min(seconds, _LONGEST))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours = minutes // 60
    if not hours:
        return f"{minutes} min {rest} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24:,} d {hours % 24} h"
