-- Tokens that are void before they expire; token_id is any number of 64 bits. Rows go when the token would have ended.
CREATE TABLE revocation (
  user_id  INTEGER NOT NULL,
  token_id INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  PRIMARY KEY (user_id, token_id)
);
CREATE INDEX k_expires ON revocation (expires);
