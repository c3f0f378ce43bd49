-- Columns of SQLite have no length: nothing is to be done, and something must be said.
SELECT 1;
