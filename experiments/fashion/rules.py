"""PowerBALD with the other exponent of its paper; ``power_bald`` has 8."""

import bal


def power_bald_1(*, batch_size: int) -> bal.Strategy:
    """Points sampled in proportion to BALD."""
    return bal.strategies.power_bald(batch_size=batch_size, beta=1.0)
