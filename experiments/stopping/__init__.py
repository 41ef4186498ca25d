"""When are there enough labels? What each stopping criterion would have saved, and what it would have cost."""
