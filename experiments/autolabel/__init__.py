"""Which points need no person: four ways to spend labels, and what a model may label by itself."""
