//! The programs that tests start: they are looked for, and installed where that is our business.
//!
//! What it does not do: start any of them, or touch a machine that is not Debian's or not ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{capture, run, succeeds};
use crate::output::say;

/// A program and the Debian package that brings it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

/// What the tests need.
const TOOLS: [Tool; 13] = [
    Tool { program: "apache2", package: "apache2-bin" },
    Tool { program: OPENID_MODULE, package: "libapache2-mod-auth-openidc" },
    Tool { program: "chromium", package: "chromium" },
    Tool { program: "node", package: "nodejs" },
    Tool { program: "npm", package: "npm" },
    Tool { program: "pip3", package: "python3-pip" },
    Tool { program: "initdb", package: "postgresql" },
    Tool { program: "nginx", package: "nginx-light" },
    Tool { program: "python3", package: "python3" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "sqlite3", package: "sqlite3" },
    Tool { program: "faketime", package: "faketime" },
    Tool { program: "pg_dump", package: "postgresql-client" },
];

/// What signs people in at Apache: a module, which is on no search path.
const OPENID_MODULE: &str = "/usr/lib/apache2/modules/mod_auth_openidc.so";

/// Where Debian keeps PostgreSQL's server programs, one folder per version; they are not on the search path.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Looks for every tool, installs what is missing if it may, and returns what is still missing.
///
/// # Errors
///
/// If an installation fails, or `ci` and a tool is missing at the end.
pub(crate) fn provide(ci: bool) -> Result<Vec<&'static str>> {
    if !missing().is_empty() && may_install() {
        install(&missing())?;
    }
    for tool in missing() {
        say(format!("missing: {} (Debian package {})", tool.program, tool.package))?;
    }
    let names: Vec<&str> = missing().iter().map(|tool| tool.program).collect();
    if ci && !names.is_empty() {
        bail!("CI needs every tool; missing: {}", names.join(", "));
    }
    Ok(names)
}

/// Returns the tools that are not here.
fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !is_here(tool.program)).collect()
}

/// Tells whether `program` is on the search path, among the system's programs or among PostgreSQL's, or a file that is there.
fn is_here(program: &str) -> bool {
    let look = format!("PATH=\"$PATH:/usr/sbin:/sbin\"; command -v {program}");
    succeeds(Command::new("sh").args(["-c", &look]))
        || (program.starts_with('/') && Path::new(program).exists())
        || is_of_postgresql(program)
}

/// Tells whether some version of PostgreSQL brings `program`.
fn is_of_postgresql(program: &str) -> bool {
    let versions = fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin").join(program)).any(|path| path.exists())
}

/// Tells whether this is a Debian machine and we are its root.
fn may_install() -> bool {
    let root = capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && Path::new("/usr/bin/apt-get").exists()
}

/// Installs the packages of `tools`.
fn install(tools: &[&Tool]) -> Result<()> {
    run(apt_get().arg("update"))?;
    run(apt_get()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(tools.iter().map(|tool| tool.package)))
}

/// Starts to describe a call of apt-get that asks nothing.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
