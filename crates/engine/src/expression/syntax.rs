//! The tree of an expression after reading: operators, references, calls.
//!
//! References to `inputs`, `steps` and `run` are resolved to their form here, so neither the
//! checker nor the evaluator looks names up by text path. The tree holds no types and no values
//! of a run. Its height is bounded by the parser's depth limit. Next: `parser`, `check`,
//! `evaluate`.

use super::fault::At;
use super::function::Function;
use serde_json::Value;

/// A part of an expression and its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: At,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// `1`, `"a"`, `true`, `null`.
    Literal(Value),
    /// `[a, b]`.
    List(Vec<Node>),
    /// A value from outside: an input, a step's output, the run.
    Reference(Reference),
    /// `base.field`, `base[index]`, one or more of them.
    Access { base: Box<Node>, path: Vec<Access> },
    /// `!a`, `-a`.
    Unary { operator: Unary, operand: Box<Node> },
    /// `a + b - c`: operators of one precedence, applied from the left.
    Chain { first: Box<Node>, rest: Vec<(Operator, Node)> },
    /// `condition ? yes : no`.
    Choice { condition: Box<Node>, yes: Box<Node>, no: Box<Node> },
    /// `size(a)`, `a.contains(b)`: the receiver is the first argument.
    Call { function: Function, arguments: Vec<Node> },
}

/// A value that comes from outside the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// `inputs`: the whole object.
    Inputs,
    /// `inputs.NAME`; null when it was not given and has no default.
    Input { name: String, name_at: At },
    /// `steps.NAME.…`.
    Step { name: String, name_at: At, field: StepField },
    /// `run.id`.
    RunId,
    /// `run.workflow`.
    RunWorkflow,
}

/// What can be asked of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepField {
    /// `outputs`: the whole map.
    Outputs,
    /// `outputs.NAME`; null when the step did not produce it.
    Output { name: String, name_at: At },
    /// `outcome`: how the step ended, as text.
    Outcome,
    /// `exit_code`; null when no program exited.
    ExitCode,
    /// `artifacts`: path to digest and size.
    Artifacts,
}

/// One access into a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Access {
    /// `.name`.
    Field(String, At),
    /// `[index]`.
    Index(Node),
}

/// Operators before one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negate,
}

/// Operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The number of binding strengths, weakest first: `||`, `&&`, comparisons, sums, products.
pub(super) const LEVELS: u8 = 5;

impl Operator {
    /// Every operator with its spelling and its binding strength, weakest 0.
    const TABLE: [(Self, &'static str, u8); 14] = [
        (Self::Or, "||", 0),
        (Self::And, "&&", 1),
        (Self::Equal, "==", 2),
        (Self::NotEqual, "!=", 2),
        (Self::Less, "<", 2),
        (Self::LessOrEqual, "<=", 2),
        (Self::Greater, ">", 2),
        (Self::GreaterOrEqual, ">=", 2),
        (Self::In, "in", 2),
        (Self::Add, "+", 3),
        (Self::Subtract, "-", 3),
        (Self::Multiply, "*", 4),
        (Self::Divide, "/", 4),
        (Self::Remainder, "%", 4),
    ];

    /// The operator of this spelling among those of one binding strength.
    pub(super) fn at_level(spelling: &str, level: u8) -> Option<Self> {
        let found = |row: &&(Self, &str, u8)| row.1 == spelling && row.2 == level;
        Self::TABLE.iter().find(found).map(|row| row.0)
    }

    /// How the operator is written.
    pub(super) fn spelling(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}
