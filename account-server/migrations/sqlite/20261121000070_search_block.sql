-- Names of an account by their numbers, many to a row, for searches by name. README.md says what is in a body.
CREATE TABLE search_block (
  account_id INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  through    INTEGER NOT NULL,
  entries    INTEGER NOT NULL,
  body       BLOB    NOT NULL CHECK (typeof(body) = 'blob'),
  PRIMARY KEY (account_id, number)
);

-- Rows of an account by their numbers: which of them are in no block yet.
CREATE INDEX k_account_id ON stobj (account_id, id);
