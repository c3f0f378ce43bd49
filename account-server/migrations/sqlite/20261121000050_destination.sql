-- Where to, of what has a destination.
ALTER TABLE record ADD COLUMN destination BLOB NULL CHECK (typeof(destination) IN ('blob', 'null'));
