-- Who can log in, and the version of what decides.
CREATE TABLE user (
  id         BIGINT         NOT NULL PRIMARY KEY AUTO_INCREMENT,
  email      VARBINARY(520) NOT NULL UNIQUE,
  name       VARBINARY(256) NOT NULL,
  account    VARBINARY(256) NOT NULL,
  role       TINYINT        NOT NULL,
  state      TINYINT        NOT NULL,
  generation BIGINT         NOT NULL DEFAULT 0,
  password   VARBINARY(256) NULL,
  groups_    BLOB           NULL,
  created    BIGINT         NOT NULL,
  last_login BIGINT         NULL,
  UNIQUE (account, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row at most, id 1. It is absent until the first change, which tells an empty database from any other.
CREATE TABLE policy (
  id      BIGINT NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
