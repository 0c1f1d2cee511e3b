"""What EZ-DMS costs, beside yardsticks that run in the same minutes on the same cores. `bin/bench --help`."""
