"""Studies and benchmarks: users of the library, never imported by it."""
