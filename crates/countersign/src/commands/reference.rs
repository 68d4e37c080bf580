//! `countersign reference DIR`: writes what is printed from the code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use countersign_server::endpoints::ENDPOINTS;

use crate::cli::Cli;
use crate::settings::register;

pub(crate) fn run(directory: &Path) -> Result<ExitCode> {
    let openapi = serde_json::to_string_pretty(&countersign_server::openapi::document(ENDPOINTS))?;
    let files = [
        ("settings.md", register::reference()),
        ("cli.md", cli()?),
        ("openapi.json", format!("{openapi}\n")),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cli() -> Result<String> {
    let mut text = String::from("# Commands\n\nPrinted from the code.\n");
    let mut root = Cli::command().term_width(100);
    root.build();
    describe(&mut root, &mut text)?;
    Ok(text)
}

fn describe(command: &mut Command, text: &mut String) -> Result<()> {
    let help = command.render_long_help();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.to_string().trim_end())?;
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
        describe(below, text)?;
    }
    Ok(())
}
