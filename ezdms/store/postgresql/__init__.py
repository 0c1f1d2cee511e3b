"""PostgreSQL: for several processes on one database. Only this package loads its driver."""
