-- A content type is as long as a header may be, and metadata as the settings allow.
ALTER TABLE stobj MODIFY content_type BLOB NULL, MODIFY listing MEDIUMBLOB NULL, MODIFY metadata MEDIUMBLOB NULL;
