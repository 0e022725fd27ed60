"""What things mean: pure functions over FHIR data, and the knowledge files they read. No I/O, clock, random, environment."""
