-- Names of an account by their numbers, many to a row, for searches by name. README.md says what is in a body.
CREATE TABLE search_block (
  account_id BIGINT     NOT NULL,
  number     BIGINT     NOT NULL,
  through    BIGINT     NOT NULL,
  entries    BIGINT     NOT NULL,
  body       MEDIUMBLOB NOT NULL,
  PRIMARY KEY (account_id, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Rows of an account by their numbers: which of them are in no block yet.
CREATE INDEX k_account_id ON stobj (account_id, id);
