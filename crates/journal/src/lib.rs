//! The append-only, hash-chained record of everything that happened, and the views folded from it.
//!
//! A [`Journal`] (one writer thread, group commit) or a [`Store`] (the same thing, synchronous, for
//! simulation and tools) appends [`Operation`]s; a [`Reader`] reads while any process writes;
//! [`Verification`] recomputes every hash over the stored bytes; [`rebuild()`] recreates the views.
//! [`tlog`] signs checkpoints and proves records to strangers.
//! The crate knows nothing of what an event means beyond its header, decides nothing and runs nothing.
//! The bytes are described in `FORMAT.md`, with test vectors in `vectors/`.

mod archive;
mod artifact;
mod backup;
mod checkpoint;
mod digest;
mod error;
mod operation;
mod place;
mod plain;
mod reader;
mod rebuild;
mod record;
mod restore;
mod store;
pub mod tlog;
mod verify;
mod writer;

pub use archive::{
    ArchiveError, SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX, SealError, Sealing, Segment,
};
pub use artifact::{ARTIFACT_READ_BYTES_MAX, Artifact, ArtifactError, ArtifactStore};
pub use backup::{BackedUp, BackupError, backup};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use digest::{Digest, DigestError, leaf_of, payload_digest_of};
pub use error::{CommitError, OpenError, ReadError, Refusal, StorageError};
pub use operation::{
    CHANGES_MAX, Change, Committed, DRAFTS_MAX, KEY_BYTES_MAX, OPERATION_BYTES_MAX, Operation,
    VALUE_BYTES_MAX,
};
pub use place::{Durability, Placement, Rewrite};
pub use reader::{
    Filter, LogHead, Order, PAGE_BYTES_MAX, PAGE_RECORDS_MAX, Reader, Scan, Size, Subscription,
    ViewRow,
};
pub use rebuild::{RebuildError, Rebuilt, ViewReport, rebuild};
pub use record::{
    CLASS_BYTES_MAX, DecodeError, Draft, FORMAT_VERSION, Header, HeaderView, KIND_BYTES_MAX, LogId,
    LogIdError, PAYLOAD_BYTES_MAX, PAYLOAD_INLINE_BYTES_MAX, PRINCIPAL_BYTES_MAX, PayloadRef,
    Record, SEQUENCE_MAX, Stream, TENANT_BYTES_MAX, Timestamp, is_valid_text,
};
pub use restore::{Generation, RestoreError, Restoring};
pub use store::{
    Access, Options, SCHEMA_VERSION, Stats, Store, WAL_PAGES_MAX, WAL_PAGES_RESTART,
    WAL_PAGES_SOFT, WalState,
};
pub use verify::{
    Difference, Fault, FaultReason, FilePlace, Range, StructureFault, Verification, Verified,
    VerifyError, ViewFault, inspect, verify_all,
};
pub use writer::{
    GROUP_BYTES_MAX, GROUP_OPERATIONS_MAX, Journal, Lane, QUEUE_BYTES_MAX, QUEUE_OPERATIONS_MAX,
};
