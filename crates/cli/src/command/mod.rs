//! One file per command. Each turns its arguments into requests to `runner` and prints what came of them.
//! What several commands share lies beside them (`follow`, `inputs`) or in `session`.

mod approval;
mod artifact;
mod audit;
mod bench;
mod completion;
mod config;
mod confirm;
mod created;
mod doctor;
mod driver;
mod egress;
mod ending;
mod follow;
mod help;
mod init;
mod inputs;
mod journal;
mod policy;
mod run;
mod runs;
mod sandbox;
mod secret;
mod serve;
mod stopped;
mod ticket;
mod tool;
mod workflow;
mod workspace;

use crate::arguments::{Arguments, Command, Config};
use crate::exit::Exit;
use crate::failure::Failure;

/// Does what was typed.
pub(crate) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Run(wanted) => run::run(global, &wanted),
        Command::Runs(runs) => runs::run(global, runs),
        Command::Approval(approval) => approval::run(global, &approval),
        Command::Workflow(workflow) => workflow::run(global, &workflow),
        Command::Policy(policy) => policy::run(global, &policy),
        Command::Audit(audit) => audit::run(global, audit),
        Command::Journal(journal) => journal::run(global, &journal),
        Command::Artifact(artifact) => artifact::run(global, &artifact),
        Command::Sandbox(sandbox) => sandbox::run(global, &sandbox),
        Command::Workspace(workspace) => workspace::run(global, workspace),
        Command::Ticket(ticket) => ticket::run(global, ticket),
        Command::Secret(secret) => secret::run(global, &secret),
        Command::Driver(driver) => driver::run(global, &driver),
        Command::EgressProxy => egress::run(),
        Command::Tool(tool) => tool::run(global, &tool),
        Command::Serve => serve::run(global),
        Command::Doctor => doctor::run(global),
        Command::Config(Config::Schema) => Ok(config::schema()),
        Command::Config(Config::Show { origin }) => config::show(global, origin),
        Command::Init { folder } => init::run(global, folder.as_deref()),
        Command::Bench { what } => bench::run(global, what),
        Command::Completion { shell } => Ok(completion::run(global, shell)),
        Command::Help { words } => help::run(&words, global.json),
    }
}
