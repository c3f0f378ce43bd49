-- Tokens that are void before they expire; token_id is any number of 64 bits. Rows go when the token would have ended.
CREATE TABLE revocation (
  user_id  BIGINT NOT NULL,
  token_id BIGINT NOT NULL,
  expires  BIGINT NOT NULL,
  PRIMARY KEY (user_id, token_id),
  KEY k_expires (expires)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
