-- What was done, by whom, with what result. seq is that of the change a record came with, NULL for refusals and reads.
CREATE TABLE record (
  id             INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account        BLOB    NULL,
  account_id     INTEGER NULL,
  seq            INTEGER NULL,
  time           INTEGER NOT NULL,
  user_id        INTEGER NULL REFERENCES user (id) ON DELETE SET NULL,
  node_id        INTEGER NULL REFERENCES stobj (id) ON DELETE SET NULL,
  action         BLOB    NOT NULL,
  path           BLOB    NOT NULL,
  destination    BLOB    NULL,
  result         INTEGER NOT NULL,
  bytes          INTEGER NOT NULL DEFAULT 0,
  duration_us    INTEGER NULL,
  address        BLOB    NULL,
  agent          BLOB    NULL,
  transaction_id BLOB    NULL
);
CREATE UNIQUE INDEX u_change ON record (account_id, seq);
CREATE INDEX k_account ON record (account, time);
CREATE INDEX k_user ON record (user_id, time);
CREATE INDEX k_node ON record (node_id) WHERE node_id IS NOT NULL;
