//! From a step and the values of a run to the concrete call: what policy sees and what is run.
//!
//! Every template is filled in here and nowhere else, so the decision, the record and the
//! execution cannot disagree. It decides nothing: whether the call may happen is the gate's
//! question, whether it can happen the sandbox's.

use super::path::{self, PathError};
use super::sandbox::SandboxRequest;
use super::shown::Showing;
use super::step::{Access, Action, Step};
use super::value::ValueTemplate;
use policy::units::Quantity;

use crate::expression::{Expression, Fault, Kinds, Scope, Template};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The tool name of `run` steps.
pub const RUN_TOOL: &str = "exec.run";
/// The tool name of `shell` steps.
pub const SHELL_TOOL: &str = "exec.shell";
/// The longest argument list, environment or text of a call, in bytes; more is an error of the
/// step. The kernel's own bound is near (a quarter of the stack limit).
pub const MAX_CALL_BYTES: usize = 1024 * 1024;
/// The longest single argument, script or `NAME=value`, in bytes: Linux takes no longer one
/// (MAX_ARG_STRLEN, 32 pages with the final zero). More is an error of the step.
pub const MAX_ARGUMENT_BYTES: usize = 128 * 1024 - 1;
/// The most arguments of one program, after lists are spread.
pub const MAX_ARGUMENTS: usize = 1024;

/// A step with every value in place.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `exec.run`, `exec.shell` or the tool's name.
    pub tool: String,
    /// The arguments as policy and the record see them.
    pub args: Value,
    /// The program and its arguments; empty for a tool.
    pub argv: Vec<String>,
    /// Environment variables, sorted by name.
    pub env: Vec<(String, String)>,
    /// The secrets the program may read: the name it knows each by, and the secret's; sorted.
    pub secrets: Vec<(String, String)>,
    /// What the program reads on standard input.
    pub stdin: Vec<u8>,
    /// Files to write into the workspace first, sorted by path.
    pub files: Vec<(String, Vec<u8>)>,
    /// What of the host it sees.
    pub mounts: Vec<ResolvedMount>,
    /// Where the program starts, relative to the workspace.
    pub cwd: String,
}

/// A mount with its paths in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMount {
    /// Path on the host, relative to the project when not absolute.
    pub source: String,
    /// Path inside the sandbox.
    pub target: String,
    /// Whether the step may change it.
    pub access: Access,
}

/// Why a step cannot be turned into a call. The field is named as in the document.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// An expression has no value, or one that does not fit.
    #[error("`{field}`: {} in `{template}`", .fault.message)]
    Expression {
        /// The field of the step, such as `run[2]`.
        field: String,
        /// The template as written.
        template: String,
        /// What is wrong, placed in the template.
        fault: Fault,
    },
    /// A program's name, its arguments and variables cannot hold a zero byte.
    #[error("`{field}` contains a zero byte")]
    Nul {
        /// The field of the step.
        field: String,
    },
    /// The first item of `run` came out empty.
    #[error("`run[0]` is empty, so there is no program to run")]
    NoProgram,
    /// A path came out as one that cannot be right.
    #[error("`{field}`: the path {problem}")]
    Path {
        /// The field of the step.
        field: String,
        /// What is wrong with it.
        problem: PathError,
    },
    /// A host came out as one that cannot be reached.
    #[error("`{field}`: `{host}` {problem}")]
    Host {
        /// The field of the step.
        field: String,
        /// What came out.
        host: String,
        /// What is wrong with it.
        problem: policy::TargetError,
    },
    /// More than [`MAX_CALL_BYTES`], [`MAX_ARGUMENT_BYTES`] or [`MAX_ARGUMENTS`].
    #[error("`{field}` is longer than a call may be")]
    TooLong {
        /// The field of the step.
        field: String,
    },
}

impl Call {
    /// The key under which the effect of this call may happen once: `run:step:hash`, where the
    /// hash is the SHA-256 of tool and arguments as canonical JSON (sorted keys, no spaces).
    pub fn idempotency_key(&self, run: &str, step: &str) -> String {
        let whole = json!({ "args": self.args, "tool": self.tool });
        format!("{run}:{step}:{}", hex(whole.to_string().as_bytes()))
    }
}

/// The SHA-256 of `bytes` as 64 lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fills in every template of `step`.
///
/// # Errors
/// The first field that cannot be filled in; the step fails without having begun.
pub fn resolve(step: &Step, scope: &Scope<'_>) -> Result<Call, ResolveError> {
    let filler = Filler { scope };
    let (tool, argv, script) = match &step.action {
        Action::Run { argv } => (RUN_TOOL, filler.arguments(argv)?, None),
        Action::Shell { script } => (SHELL_TOOL, shell_arguments(script), Some(script.as_str())),
        Action::Tool { name, with } => return filler.tool_call(name, with),
    };
    let env = filler.environment(&step.env)?;
    let mounts = filler.mounts(step)?;
    let cwd = ".".to_owned();
    let mut args = program_args(&argv, script);
    args.insert("action".to_owned(), false.into());
    args.insert("cwd".to_owned(), cwd.clone().into());
    args.insert("env".to_owned(), env.iter().map(|(name, _)| name.as_str()).collect());
    args.insert("mounts".to_owned(), mounts.iter().map(mount_args).collect());
    if !step.secrets.is_empty() {
        let names: BTreeSet<&str> = step.secrets.iter().map(|(_, name)| name.as_str()).collect();
        // One text, each name between commas: a condition of a rule is about one value.
        let names: String = names.into_iter().map(|name| format!("{name},")).collect();
        args.insert("secrets".to_owned(), format!(",{names}").into());
    }
    filler.held(&step.sandbox, &mut args)?;
    args.insert("timeout".to_owned(), Quantity::of_time(step.timeout).to_string().into());
    let stdin = match &step.stdin {
        Some(template) => filler.text("stdin", template)?.into_bytes(),
        None => Vec::new(),
    };
    let files = filler.files(&step.files)?;
    given(&mut args, &env, &stdin, &files);
    let args = Value::Object(args);
    let secrets = step.secrets.clone();
    Ok(Call { tool: tool.to_owned(), args, argv, env, secrets, stdin, files, mounts, cwd })
}

/// `-e`: a script ends at its first failing command, like a list of steps does.
fn shell_arguments(script: &str) -> Vec<String> {
    ["/bin/sh", "-e", "-c", script].map(str::to_owned).to_vec()
}

/// What says which program runs: its name and arguments, or the script.
fn program_args(argv: &[String], script: Option<&str>) -> Map<String, Value> {
    let mut args = Map::new();
    match script {
        Some(script) => drop(args.insert("script".to_owned(), script.into())),
        None => {
            let program = argv.first().cloned().unwrap_or_default();
            args.insert("program".to_owned(), program.into());
            args.insert("argv".to_owned(), argv.into());
        }
    }
    args
}

/// What the program is given as text.
fn given(
    args: &mut Map<String, Value>,
    env: &[(String, String)],
    stdin: &[u8],
    files: &[(String, Vec<u8>)],
) {
    let mut showing = Showing::new();
    // Always there, so that a rule can bound it; the text is shown in one of two forms.
    args.insert("stdin_bytes".to_owned(), stdin.len().into());
    if !env.is_empty() {
        let values = env.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        args.insert("env_values".to_owned(), showing.named(values).into());
    }
    if !stdin.is_empty() {
        args.insert("stdin".to_owned(), showing.text(stdin));
    }
    if !files.is_empty() {
        let texts = files.iter().map(|(path, text)| (path.as_str(), text.as_slice()));
        args.insert("files".to_owned(), showing.named(texts).into());
    }
}

fn mount_args(mount: &ResolvedMount) -> Value {
    json!({ "access": mount.access.name(), "source": mount.source, "target": mount.target })
}

struct Filler<'s> {
    scope: &'s Scope<'s>,
}

impl Filler<'_> {
    fn text(&self, field: &str, template: &Template) -> Result<String, ResolveError> {
        template.text(self.scope).map_err(|fault| expression(field, template, fault))
    }

    fn system_text(&self, field: &str, template: &Template) -> Result<String, ResolveError> {
        system_text(field, self.text(field, template)?)
    }

    fn arguments(&self, items: &[Template]) -> Result<Vec<String>, ResolveError> {
        let mut argv = Vec::with_capacity(items.len());
        for (place, template) in items.iter().enumerate() {
            let field = format!("run[{place}]");
            match template.value(self.scope) {
                Ok(Value::Array(items)) if template.expression().is_some() && place > 0 => {
                    for item in items {
                        argv.push(system_text(&field, argument(&field, template, item)?)?);
                    }
                }
                Ok(value) => argv.push(system_text(&field, argument(&field, template, value)?)?),
                Err(fault) => return Err(expression(&field, template, fault)),
            }
        }
        if argv.first().is_none_or(String::is_empty) {
            return Err(ResolveError::NoProgram);
        }
        let size: usize = argv.iter().map(|item| item.len() + 1).sum();
        if argv.len() > MAX_ARGUMENTS || size > MAX_CALL_BYTES {
            return Err(ResolveError::TooLong { field: "run".to_owned() });
        }
        Ok(argv)
    }

    fn environment(
        &self,
        env: &[(String, Template)],
    ) -> Result<Vec<(String, String)>, ResolveError> {
        let mut filled = Vec::with_capacity(env.len());
        for (name, template) in env {
            let field = format!("env.{name}");
            let value = self.system_text(&field, template)?;
            if name.len() + 1 + value.len() > MAX_ARGUMENT_BYTES {
                return Err(ResolveError::TooLong { field });
            }
            filled.push((name.clone(), value));
        }
        let size: usize = filled.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if size > MAX_CALL_BYTES {
            return Err(ResolveError::TooLong { field: "env".to_owned() });
        }
        Ok(filled)
    }

    fn files(&self, files: &[(String, Template)]) -> Result<Vec<(String, Vec<u8>)>, ResolveError> {
        let fill = |(path, template): &(String, Template)| {
            let text = self.text(&format!("files.{path}"), template)?;
            Ok((path.clone(), text.into_bytes()))
        };
        files.iter().map(fill).collect()
    }

    /// How the step asks to be held, in the words of policy.
    fn held(
        &self,
        sandbox: &SandboxRequest,
        args: &mut Map<String, Value>,
    ) -> Result<(), ResolveError> {
        args.insert("driver".to_owned(), sandbox.driver.name().into());
        if let Some(image) = &sandbox.image {
            args.insert("image".to_owned(), image.clone().into());
        }
        if !sandbox.allow_gaps.is_empty() {
            args.insert("allow_gaps".to_owned(), sandbox.allow_gaps.clone().into());
        }
        args.insert("hosts".to_owned(), self.hosts(&sandbox.hosts)?.into());
        let network = sandbox.profile.has_network();
        args.insert("network".to_owned(), network.into());
        args.insert("profile".to_owned(), sandbox.profile.name().into());
        Ok(())
    }

    fn hosts(&self, hosts: &[Template]) -> Result<Vec<String>, ResolveError> {
        let fill = |(place, template): (usize, &Template)| {
            let field = format!("sandbox.hosts[{place}]");
            let host = self.text(&field, template)?;
            match policy::check_target(&host) {
                Ok(()) => Ok(host),
                Err(problem) => Err(ResolveError::Host { field, host, problem }),
            }
        };
        hosts.iter().enumerate().map(fill).collect()
    }

    fn mounts(&self, step: &Step) -> Result<Vec<ResolvedMount>, ResolveError> {
        let mut resolved = Vec::with_capacity(step.mounts.len());
        for (place, mount) in step.mounts.iter().enumerate() {
            let field = format!("mounts[{place}].source");
            let source = self.system_text(&field, &mount.source)?;
            checked(&field, path::on_host(&source))?;
            let target = match &mount.target {
                Some(template) => {
                    let field = format!("mounts[{place}].target");
                    let target = self.system_text(&field, template)?;
                    checked(&field, path::in_sandbox(&target))?;
                    target
                }
                None => source.clone(),
            };
            resolved.push(ResolvedMount { source, target, access: mount.access });
        }
        Ok(resolved)
    }

    fn tool_call(
        &self,
        name: &str,
        with: &BTreeMap<String, ValueTemplate>,
    ) -> Result<Call, ResolveError> {
        let args = ValueTemplate::fill_map(with, self.scope).map_err(|unfilled| {
            let field = format!("with{}", unfilled.path);
            ResolveError::Expression { field, template: unfilled.template, fault: unfilled.fault }
        })?;
        Ok(Call {
            tool: name.to_owned(),
            args: Value::Object(args),
            argv: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            stdin: Vec::new(),
            files: Vec::new(),
            mounts: Vec::new(),
            cwd: ".".to_owned(),
        })
    }
}

fn expression(field: &str, template: &Template, fault: Fault) -> ResolveError {
    let (field, template) = (field.to_owned(), template.source().to_owned());
    ResolveError::Expression { field, template, fault }
}

/// A text that is handed to the system: a zero byte would end it early, and it takes no longer
/// one.
fn system_text(field: &str, text: String) -> Result<String, ResolveError> {
    if text.contains('\0') {
        return Err(ResolveError::Nul { field: field.to_owned() });
    }
    if text.len() > MAX_ARGUMENT_BYTES {
        return Err(ResolveError::TooLong { field: field.to_owned() });
    }
    Ok(text)
}

fn checked(field: &str, result: Result<(), PathError>) -> Result<(), ResolveError> {
    result.map_err(|problem| ResolveError::Path { field: field.to_owned(), problem })
}

/// One argument of a program: text as it is, numbers and booleans as in JSON. Nothing else has an
/// obvious form on a command line.
fn argument(field: &str, template: &Template, value: Value) -> Result<String, ResolveError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let at = template.expression().map(Expression::at).unwrap_or_default();
            let message = format!("{} cannot be an argument of a program", Kinds::of(&value));
            Err(expression(field, template, Fault::new(at, message)))
        }
    }
}
