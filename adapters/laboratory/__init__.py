"""How laboratories send genotypes: one adapter a dialect, each from bytes to the same plain sheets. No adapter knows the store."""
