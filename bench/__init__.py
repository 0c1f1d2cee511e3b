"""Benchmarks: EZ-DMS compared with baselines that run in the same minutes on the same cores. `bin/bench --help`."""
