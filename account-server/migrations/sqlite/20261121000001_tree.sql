-- The mirror of the path tree, one row a node. README.md says what each column means.
CREATE TABLE stobj (
  parent_id    INTEGER NOT NULL REFERENCES stobj (id) ON DELETE CASCADE,
  path         BLOB    NOT NULL CHECK (typeof(path) = 'blob' AND length(path) <= 1025),
  id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id   INTEGER NOT NULL,
  type         INTEGER NOT NULL,
  is_object    INTEGER NOT NULL DEFAULT 0,
  explicit     INTEGER NOT NULL DEFAULT 0,
  state        INTEGER NOT NULL DEFAULT 0,
  phase        INTEGER NOT NULL DEFAULT 0,
  seq          INTEGER NOT NULL DEFAULT 0,
  timestamp    INTEGER NOT NULL DEFAULT 0,
  created      INTEGER NOT NULL DEFAULT 0,
  bytes        INTEGER NOT NULL DEFAULT 0,
  etag         BLOB    NULL,
  content_type BLOB    NULL,
  listing      BLOB    NULL,
  metadata     BLOB    NULL,
  delete_at    INTEGER NULL,
  policy       INTEGER NOT NULL DEFAULT 0,
  sub_objects  INTEGER NOT NULL DEFAULT 0,
  sub_bytes    INTEGER NOT NULL DEFAULT 0,
  sub_expiring INTEGER NOT NULL DEFAULT 0,
  seen         INTEGER NOT NULL DEFAULT 0,
  UNIQUE (parent_id, path)
);
CREATE INDEX k_delete_at ON stobj (delete_at) WHERE delete_at IS NOT NULL;

-- The root is its own parent.
INSERT INTO stobj (parent_id, path, id, account_id, type) VALUES (1, x'', 1, 0, 0);

-- What was forgotten waits here for the reaper. No account has this name: account names hold no slash.
INSERT INTO stobj (parent_id, path, id, account_id, type) VALUES (1, CAST('trash/' AS BLOB), 2, 0, 6);

CREATE TABLE tree_epoch (
  account_id  INTEGER NOT NULL PRIMARY KEY,
  incarnation INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  node_id     INTEGER NULL
);
