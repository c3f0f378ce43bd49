-- Who can log in, and the version of what decides.
CREATE TABLE user (
  id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  email      BLOB    NOT NULL UNIQUE CHECK (typeof(email) = 'blob'),
  name       BLOB    NOT NULL CHECK (typeof(name) = 'blob'),
  account    BLOB    NOT NULL CHECK (typeof(account) = 'blob'),
  role       INTEGER NOT NULL,
  state      INTEGER NOT NULL,
  generation INTEGER NOT NULL DEFAULT 0,
  password   BLOB    NULL,
  groups_    BLOB    NULL,
  created    INTEGER NOT NULL,
  last_login INTEGER NULL,
  UNIQUE (account, name)
);

-- One row at most, id 1. It is absent until the first change, which tells an empty database from any other.
CREATE TABLE policy (
  id      INTEGER NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL
);
