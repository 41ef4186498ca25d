"""Published comparisons run again: each paper's protocol, its figures beside ours, and which of its claims hold."""
