-- What is switched off, which is little, is found without reading everything. A run that was cut off may have made the
-- index already, and only MariaDB could be told so in the statement itself.
SET @step = IF(
  (SELECT COUNT(*) FROM information_schema.statistics
   WHERE table_schema = DATABASE() AND table_name = 'stobj' AND index_name = 'k_state') = 0,
  'CREATE INDEX k_state ON stobj (state, id)',
  'DO 0'
);
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
