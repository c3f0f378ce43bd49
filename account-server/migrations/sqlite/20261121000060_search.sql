-- Names of an account in their order, with all that a search tells most rows apart by, so that it reads nothing else.
CREATE INDEX k_search ON stobj (account_id, path, id, type, bytes, timestamp);
