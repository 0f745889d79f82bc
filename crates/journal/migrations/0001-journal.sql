-- The record, the logs it consists of, and who owns it. Views are made when they are declared.

-- A log is one hash chain; its number is the upper part of its events' ids.
CREATE TABLE log (
    id     INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 1048576),
    tenant TEXT    NOT NULL,
    shard  INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    UNIQUE (tenant, shard)
) STRICT;

-- id = log << 40 | sequence. header and payload are the bytes the hashes are over; a payload that is
-- kept in the artifact store is NULL here. stream repeats the header's stream id for the index.
CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    stream  BLOB NOT NULL CHECK (length(stream) = 16),
    leaf    BLOB NOT NULL CHECK (length(leaf) = 32),
    header  BLOB NOT NULL,
    payload BLOB
) STRICT;

CREATE INDEX event_stream ON event (stream);

-- Raised at every opening for writing; every commit checks that it is still its own.
CREATE TABLE owner (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    INTEGER NOT NULL
) STRICT;

INSERT INTO owner (only_row, epoch) VALUES (1, 0);

CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;

CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;

-- INSERT OR REPLACE deletes without firing the trigger above unless recursive triggers are on.
CREATE TRIGGER event_is_not_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;

CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log table is append-only'); END;

CREATE TRIGGER log_is_not_deleted BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log table is append-only'); END;

CREATE TRIGGER log_is_not_replaced BEFORE INSERT ON log
WHEN EXISTS (SELECT 1 FROM log WHERE id = NEW.id OR (tenant = NEW.tenant AND shard = NEW.shard))
BEGIN SELECT RAISE(ABORT, 'the log table is append-only'); END;
