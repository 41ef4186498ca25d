"""Four rules that need to know nothing about the task, on five tasks."""
