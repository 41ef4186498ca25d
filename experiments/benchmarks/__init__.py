"""Speed and memory, beside the peers. Each prints ratios; none is a test."""
