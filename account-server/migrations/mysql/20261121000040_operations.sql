-- Operations, in the order of time. The table of before was never written to. README.md says what each column means.
DROP TABLE IF EXISTS record;
CREATE TABLE record (
  time           BIGINT          NOT NULL,
  id             BIGINT          NOT NULL,
  account        VARBINARY(256)  NULL,
  account_id     BIGINT          NULL,
  seq            BIGINT          NULL,
  user           VARBINARY(520)  NULL,
  action         VARBINARY(64)   NOT NULL,
  path           VARBINARY(1600) NOT NULL,
  path_key       BIGINT          NOT NULL,
  result         SMALLINT        NOT NULL,
  received       BIGINT          NOT NULL,
  sent           BIGINT          NOT NULL,
  duration       BIGINT          NULL,
  address        VARBINARY(64)   NULL,
  agent          VARBINARY(512)  NULL,
  transaction_id VARBINARY(128)  NOT NULL,
  PRIMARY KEY (time, id),
  KEY k_record_account (account, time),
  KEY k_record_user (user, time),
  KEY k_record_path (path_key, time),
  KEY k_record_action (action, time),
  KEY k_record_result (result, time)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
