-- Archived records: their payloads are in files beside the database. Headers stay, so that the chain does.

-- One file each. first and last are ids of events of one log; digest is the plain SHA-256 of the file.
CREATE TABLE segment (
    first  INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL CHECK (last >= first AND last >> 40 = first >> 40),
    digest BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TRIGGER segment_is_not_changed BEFORE UPDATE ON segment
BEGIN SELECT RAISE(ABORT, 'the segment table is append-only'); END;

CREATE TRIGGER segment_is_not_deleted BEFORE DELETE ON segment
BEGIN SELECT RAISE(ABORT, 'the segment table is append-only'); END;

CREATE TRIGGER segment_is_not_replaced BEFORE INSERT ON segment
WHEN EXISTS (SELECT 1 FROM segment WHERE last >= NEW.first AND first <= NEW.last)
BEGIN SELECT RAISE(ABORT, 'a record is in one segment only'); END;

-- One change of an event is allowed: its payload leaves, when a segment has it.
DROP TRIGGER event_is_not_changed;

CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
WHEN NOT (
    NEW.id IS OLD.id AND NEW.stream IS OLD.stream AND NEW.leaf IS OLD.leaf
    AND NEW.header IS OLD.header AND NEW.payload IS NULL
    AND coalesce(OLD.id <= (
        SELECT last FROM segment WHERE first <= OLD.id ORDER BY first DESC LIMIT 1
    ), 0)
)
BEGIN SELECT RAISE(ABORT, 'the event table is append-only'); END;
