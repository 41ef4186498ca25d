"""Studies, their runner and their pictures: users of the library, never imported by it."""
