//! `countersign up`

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use countersign_core::resource::Declared;
use tokio::signal::unix::{SignalKind, signal};

use crate::card;
use crate::cli::Up;
use crate::data_directory::DataDirectory;
use crate::environment;
use crate::node::{Node, NodeConfig, master_key_origin};
use crate::output;
use crate::running::Running;
use crate::settings::resolved::Settings;

pub(crate) async fn run(up: Up) -> Result<ExitCode> {
    let settings = Settings::read(&up, &environment::variables())?;
    settings.log.start();
    // Before anything is opened, so that a signal during a slow start is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (mut hangup, on_terminal) = (signal(SignalKind::hangup())?, io::stderr().is_terminal());
    // Nothing is asked for by these, and nothing is cut by them.
    let _taken = [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::pipe()].map(signal);
    let Ok(directory) = DataDirectory::open(&up.data)? else {
        bail!(
            "another process serves the data directory {}: stop it, or name another with --data",
            up.data.display()
        );
    };
    tracing::info!(data = %up.data.display(), "opening the store");
    let node = Node::open(directory, &place(&up, &settings)).await?;
    let drain = settings.drain;
    let mut running = Running::start(node, settings, &up).await?;
    announce(&up, &mut running)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break tracing::info!("SIGTERM: finishing what is in flight"),
            _ = interrupt.recv() => break tracing::info!("interrupted: finishing what is in flight"),
            // A closed terminal sends the same signal as an operator who wants a reload.
            _ = hangup.recv() => match on_terminal && !io::stderr().is_terminal() {
                true => break tracing::info!("the terminal is gone: finishing what is in flight"),
                false => running.reload(),
            },
            reason = running.failed() => {
                running.stop(drain).await?;
                bail!("{reason}");
            }
        }
    }
    tokio::select! {
        stopped = running.stop(drain) => stopped?,
        _ = interrupt.recv() => bail!("interrupted again: stopped at once"),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn place(up: &Up, settings: &Settings) -> NodeConfig {
    NodeConfig {
        store: settings.store.clone(),
        danger_store_plaintext: up.danger_store_plaintext,
        master_key: master_key_origin(up.master_key.clone()),
        feed_max_age: settings.feed_max_age,
        policy: settings.policy.clone(),
        retention: settings.retention.clone(),
        body_timeout: settings.limits.body,
        declared: Declared::default(),
    }
}

fn announce(up: &Up, running: &mut Running) -> Result<()> {
    let key = running.take_management_key();
    let key = key.as_ref().map(|key| key.expose().as_str());
    let data = up.data.display().to_string();
    if up.json {
        return output::json(&card::json_line(&running.urls, key, &data));
    }
    output::line(&card::card(&running.urls, key, &data, &running.upstream)).context("cannot print the card")
}
