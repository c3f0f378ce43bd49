-- Operations, in the order of time. The table of before was never written to. README.md says what each column means.
DROP TABLE IF EXISTS record;
CREATE TABLE record (
  time           INTEGER NOT NULL,
  id             INTEGER NOT NULL,
  account        BLOB    NULL CHECK (typeof(account) IN ('blob', 'null')),
  account_id     INTEGER NULL,
  seq            INTEGER NULL,
  user           BLOB    NULL CHECK (typeof(user) IN ('blob', 'null')),
  action         BLOB    NOT NULL CHECK (typeof(action) = 'blob'),
  path           BLOB    NOT NULL CHECK (typeof(path) = 'blob'),
  path_key       INTEGER NOT NULL,
  result         INTEGER NOT NULL,
  received       INTEGER NOT NULL,
  sent           INTEGER NOT NULL,
  duration       INTEGER NULL,
  address        BLOB    NULL,
  agent          BLOB    NULL,
  transaction_id BLOB    NOT NULL,
  PRIMARY KEY (time, id)
) WITHOUT ROWID;
CREATE INDEX k_record_account ON record (account, time);
CREATE INDEX k_record_user ON record (user, time);
CREATE INDEX k_record_path ON record (path_key, time);
CREATE INDEX k_record_action ON record (action, time);
CREATE INDEX k_record_result ON record (result, time);
