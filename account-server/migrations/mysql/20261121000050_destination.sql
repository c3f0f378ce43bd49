-- Where to, of what has a destination. A run that was cut off may have made the column already, and only MariaDB could be
-- told so in the statement itself.
SET @step = IF(
  (SELECT COUNT(*) FROM information_schema.columns
   WHERE table_schema = DATABASE() AND table_name = 'record' AND column_name = 'destination') = 0,
  'ALTER TABLE record ADD COLUMN destination VARBINARY(1600) NULL',
  'DO 0'
);
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
