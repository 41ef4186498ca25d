"""What a run will need of the memory, said before anything runs, and what fits."""

from bal.planning._plan import Plan, check_fits, plan, plan_group

__all__ = ["Plan", "check_fits", "plan", "plan_group"]
