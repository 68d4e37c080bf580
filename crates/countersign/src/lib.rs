//! The binary, as a library for its own `main` and for `fuzz/`: it wires, and nothing else.

mod calling;
mod card;
mod certificates;
mod cli;
mod client;
mod commands;
mod data_directory;
mod echo;
mod environment;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hosts;
mod issuers;
mod listing;
mod log;
mod master_key;
mod node;
mod output;
mod reload;
mod reports;
mod routing;
mod running;
mod settings;
mod system;
mod tls;
mod tokens;
mod view;
mod web;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A second provider in the process would make TLS configurations panic: ours is the process's, from the start.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli.command)));
    done.unwrap_or_else(|error| {
        output::note(&format!("countersign: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(up) => commands::up::run(*up).await,
        Command::Key(key) => commands::key::run(key).await,
        Command::Client(client) => commands::client::run(client).await,
        Command::Resource(resource) => commands::resource::run(resource).await,
        Command::Owner(owner) => commands::owner::run(owner).await,
        Command::User(user) => commands::user::run(user).await,
        Command::ManagementKey(key) => commands::management_key::run(key).await,
        Command::MasterKey(key) => commands::master_key::run(key).await,
        Command::Grant(grant) => commands::grant::run(grant).await,
        Command::SigningKey(key) => commands::signing_key::run(key).await,
        Command::Token(token) => commands::token::run(token).await,
        Command::Login(login) => commands::login::run(*login).await,
        Command::Audit(audit) => commands::audit::run(audit).await,
        Command::Route(route) => commands::route::run(route).await,
        Command::Reload { remote } => commands::reload::run(&remote).await,
        Command::Demo(demo) => commands::demo::run(&demo).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Reference { directory } => commands::reference::run(&directory),
    }
}
