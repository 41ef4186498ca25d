"""The loop of every greedy rule, and three ways in which it finds the best point."""
