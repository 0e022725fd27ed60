"""Baselines of whole populations from files: read, judge, learn. Needs the extra `populations` (numpy, scipy, pyarrow); no database."""
