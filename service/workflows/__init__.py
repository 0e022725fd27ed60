"""The use cases: what happens when something is received, reviewed or withdrawn. One commit each."""
