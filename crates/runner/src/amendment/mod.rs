//! A change of the policy: what it would change, who has to agree, and how it is made.
//!
//! The new policy has to be valid and pass its own tests. Recorded calls are decided again under it (`mod`), the change
//! becomes a direct call that waits for a review like any other (`place`), and when it may begin the file is replaced
//! in one step (`replace`). One that was interrupted is settled by what is on disk (`doubt`). Who may approve it is
//! said by the built-in rules; nothing here lets a change through.

mod doubt;
mod lines;
mod place;
mod replace;

use engine::policy::{OwnedCall, Policy, only_narrows};
use engine::run::Digest;
use journal::CommitError;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::call::CallError;
use crate::gate::{CONFIRMED, REPLACES, RegistrationError};
use crate::history::HistoryError;
use crate::node::Unanswered;
use crate::policy::{self, Changed, Comparison, InForce, PolicyError, Shift, TestResult};
use crate::record::DecidedCall;

pub(crate) use doubt::{also, settle};
pub use place::{Amend, Confirmation};
pub use replace::{ReplaceError, Replacing};

/// How many recorded calls are decided again, the newest.
pub const RECENT_CALLS: usize = 100;
/// How many recorded calls may be denied from now on before somebody has to type how many.
pub const UNTYPED_MAX: usize = 5;

/// A change of the policy, held against what happened so far.
#[derive(Debug, Clone, Serialize)]
pub struct Amendment {
    /// The policy in force.
    pub replaces: Digest,
    /// The policy that would take its place.
    pub policy: Digest,
    /// Tests of the new policy, all passed.
    pub tests: usize,
    /// What recorded calls come to under it.
    pub recorded: Comparison,
    /// Calls that nobody has made yet and that it lets through more easily.
    pub made_up: Vec<Changed>,
    /// Whether the rules themselves show that it allows nothing more.
    narrows: bool,
}

/// Why the policy stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// The new policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It does not do what its own tests say.
    #[error("{} of the new policy's own tests fail{}", .0.len(), if .0.len() == 1 { "s" } else { "" })]
    Tests(Vec<TestResult>),
    /// There is no file to replace.
    #[error("no policy file is in force")]
    NoFile,
    /// Its file holds something else than what is decided by.
    #[error("`{0}` was changed by hand and holds another policy than the one in force")]
    ByHand(String),
    /// It is in force already.
    #[error("this policy is in force already")]
    Same,
    /// Something changed since it was shown what would change.
    #[error("what would change is not what was shown")]
    Moved,
    /// More breaks than a plain yes is enough for.
    #[error("it breaks {count} recorded calls, and the phrase `{phrase}` was not given")]
    Phrase {
        /// How many.
        count: usize,
        /// What has to be typed.
        phrase: String,
    },
    /// Nobody can act as this agent.
    #[error(transparent)]
    Agent(#[from] RegistrationError),
    /// The call is not placed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The node did not take it.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The journal cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The new policy could not be put on record.
    #[error("the journal could not be written")]
    Journal(#[from] CommitError),
}

impl Amendment {
    /// Holds `after` against the policy in force, over `calls` on record, the tests of both, and calls made from the
    /// conditions of both.
    ///
    /// # Errors
    /// [`AmendError::Tests`] and [`AmendError::Same`].
    pub fn weigh(
        before: &Policy,
        after: &InForce,
        calls: Vec<DecidedCall>,
    ) -> Result<Self, AmendError> {
        let (replaces, policy) = (Digest(before.digest()), Digest(after.policy.digest()));
        if replaces == policy {
            return Err(AmendError::Same);
        }
        let (passed, failed): (Vec<_>, Vec<_>) =
            policy::test(&after.policy).into_iter().partition(TestResult::passed);
        if !failed.is_empty() {
            return Err(AmendError::Tests(failed));
        }
        let recorded = policy::replay(before, &after.policy, calls);
        let known: Vec<&OwnedCall> = recorded.changed.iter().map(|line| &line.call).collect();
        let mut made_up = policy::diff(before, &after.policy).changed;
        made_up.retain(|line| line.shift == Shift::Widening && !known.contains(&&line.call));
        let narrows = only_narrows(before, &after.policy);
        Ok(Self { replaces, policy, tests: passed.len(), recorded, made_up, narrows })
    }

    /// Recorded calls, those alike as one, that would be denied.
    #[must_use]
    pub fn breaking(&self) -> usize {
        self.recorded.count(Shift::Breaking)
    }

    /// Calls, on record or made up, that it would let through more easily.
    #[must_use]
    pub fn widening(&self) -> usize {
        self.recorded.count(Shift::Widening) + self.made_up.len()
    }

    /// Whether a second person has to approve it: where it allows more, and where the rules do not show that it allows
    /// nothing more. The calls above are only samples.
    #[must_use]
    pub fn widens(&self) -> bool {
        self.widening() > 0 || !self.narrows
    }

    /// What whoever asks for it has to type, where a plain yes is not enough.
    #[must_use]
    pub fn phrase(&self) -> Option<String> {
        let breaking = self.breaking();
        (breaking > UNTYPED_MAX).then(|| format!("break {breaking} calls"))
    }

    /// SHA-256 of everything that is shown of it: another change has another.
    #[must_use]
    pub fn shown(&self) -> Digest {
        let mut hash = Sha256::new_with_prefix(b"palisade amendment 1\n");
        hash.update(self.replaces.0);
        hash.update(self.policy.0);
        for line in lines::of(self) {
            hash.update((line.len() as u64).to_be_bytes());
            hash.update(line);
        }
        Digest(hash.finalize().into())
    }

    /// The arguments of the call that makes it.
    fn arguments(&self, file: &str, name: &str, confirmed: Option<&str>) -> Map<String, Value> {
        let mut arguments = Map::new();
        let mut put = |key: &str, value: Value| drop(arguments.insert(key.to_owned(), value));
        put("file", file.into());
        put("name", name.into());
        put(REPLACES, self.replaces.to_string().into());
        put("policy", self.policy.to_string().into());
        put("breaking", self.breaking().into());
        put("widening", self.widening().into());
        put(engine::policy::WIDENS, self.widens().into());
        put("lines", json!(lines::of(self)));
        if let Some(confirmed) = confirmed {
            put(CONFIRMED, confirmed.into());
        }
        arguments
    }
}
