//! The log: structured lines on stderr, as text for people or JSON for machines.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use anyhow::{Result, bail};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, registry, reload};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is written, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// The format; `None`: text on a terminal, else JSON.
    pub(crate) format: Option<LogFormat>,
    /// The least important lines that are written.
    pub(crate) level: Level,
}

impl LogSettings {
    /// The least important lines that are written unless it is set.
    pub(crate) const DEFAULT_LEVEL: Level = Level::INFO;

    /// Reads the settings `log.format` and `log.level`.
    ///
    /// # Errors
    ///
    /// A text that names the setting and what it knows.
    pub(crate) fn read(format: Option<&str>, level: Option<&str>) -> Result<Self> {
        let format = match format {
            None => None,
            Some("text") => Some(LogFormat::Text),
            Some("json") => Some(LogFormat::Json),
            Some(other) => bail!("log.format: expected `text` or `json`, found `{other}`"),
        };
        let level = match level {
            None => Self::DEFAULT_LEVEL,
            Some("info") => Level::INFO,
            Some("error") => Level::ERROR,
            Some("warn") => Level::WARN,
            Some("debug") => Level::DEBUG,
            Some(other) => bail!("log.level: expected `error`, `warn`, `info` or `debug`, found `{other}`"),
        };
        Ok(Self { format, level })
    }

    /// Starts the log. A second call changes nothing.
    pub(crate) fn start(self) {
        let terminal = io::stderr().is_terminal();
        let format = self.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(terminal).with_target(false);
        let lines = match format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let (filter, handle) = reload::Layer::new(LevelFilter::from_level(self.level));
        if registry().with(filter).with(lines).try_init().is_ok() {
            let _first = LEVEL.set(handle);
        }
    }

    /// Writes lines from this level on, from now on. The log is the process's own, as its standard error is.
    pub(crate) fn set_level(self) {
        if let Some(handle) = LEVEL.get() {
            let _gone = handle.reload(LevelFilter::from_level(self.level));
        }
    }
}

/// What sets the level of the log that was started.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
