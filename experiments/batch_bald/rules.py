"""BatchBALD with other numbers of joint labels than its default of 10,000."""

import bal


def fewer_configurations(*, batch_size: int) -> bal.Strategy:
    """With a tenth of them."""
    return bal.strategies.batch_bald(batch_size=batch_size, num_configurations=1_000)


def more_configurations(*, batch_size: int) -> bal.Strategy:
    """As many as its paper samples."""
    return bal.strategies.batch_bald(batch_size=batch_size, num_configurations=40_000)
