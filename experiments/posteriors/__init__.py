"""Every registered posterior on the same labels."""
