-- The mirror of the path tree, one row a node. README.md says what each column means.
CREATE TABLE stobj (
  parent_id    BIGINT          NOT NULL,
  path         VARBINARY(1025) NOT NULL,
  id           BIGINT          NOT NULL AUTO_INCREMENT,
  account_id   BIGINT          NOT NULL,
  type         TINYINT         NOT NULL,
  is_object    TINYINT         NOT NULL DEFAULT 0,
  explicit     TINYINT         NOT NULL DEFAULT 0,
  state        TINYINT         NOT NULL DEFAULT 0,
  phase        TINYINT         NOT NULL DEFAULT 0,
  seq          BIGINT          NOT NULL DEFAULT 0,
  timestamp    BIGINT          NOT NULL DEFAULT 0,
  created      BIGINT          NOT NULL DEFAULT 0,
  bytes        BIGINT          NOT NULL DEFAULT 0,
  etag         VARBINARY(64)   NULL,
  content_type VARBINARY(1024) NULL,
  listing      BLOB            NULL,
  metadata     BLOB            NULL,
  delete_at    BIGINT          NULL,
  policy       SMALLINT        NOT NULL DEFAULT 0,
  sub_objects  BIGINT          NOT NULL DEFAULT 0,
  sub_bytes    BIGINT          NOT NULL DEFAULT 0,
  sub_expiring BIGINT          NOT NULL DEFAULT 0,
  seen         BIGINT          NOT NULL DEFAULT 0,
  PRIMARY KEY (parent_id, path),
  UNIQUE KEY u_id (id),
  KEY k_delete_at (delete_at),
  CONSTRAINT fk_stobj_parent FOREIGN KEY (parent_id) REFERENCES stobj (id) ON DELETE CASCADE
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The root is its own parent, which the foreign key refuses while the row is not there yet.
SET foreign_key_checks = 0;
INSERT INTO stobj (parent_id, path, id, account_id, type) VALUES (1, '', 1, 0, 0);
SET foreign_key_checks = 1;

-- What was forgotten waits here for the reaper. No account has this name: account names hold no slash.
INSERT INTO stobj (parent_id, path, id, account_id, type) VALUES (1, 'trash/', 2, 0, 6);

CREATE TABLE tree_epoch (
  account_id  BIGINT NOT NULL PRIMARY KEY,
  incarnation BIGINT NOT NULL,
  epoch       BIGINT NOT NULL,
  seq         BIGINT NOT NULL,
  node_id     BIGINT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
