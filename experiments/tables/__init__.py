"""Which strategy to use on tables: a benchmark of many real ones."""
