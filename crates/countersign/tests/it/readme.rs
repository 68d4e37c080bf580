//! The README's tour: every command in it is run, in order, and must do what the README says.

use std::process::Command;

use crate::harness::Ground;

/// Returns the commands of the blocks that begin with ```` ```sh tour ````.
fn tour() -> Vec<String> {
    let text = include_str!("../../../../README.md");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```sh tour" => inside = true,
            "```" => inside = false,
            line if inside && !line.trim().is_empty() => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_of_the_tour_runs() {
    let commands = tour();
    assert!(commands.len() >= 8, "the tour is there: {commands:?}");
    let place = Ground::new();
    let server = place.up("countersign-data", &[]);
    let gateway = server.card["gateway"].as_str().unwrap();
    let bin = std::path::Path::new(crate::harness::binary()).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::vars().find(|(name, _)| name == "PATH").unwrap().1);
    // One shell for all, as the reader has: variables live on. A command that fails ends it.
    let script = format!("set -e\n{}", commands.join("\n")).replace("http://localhost:8000", gateway);
    let script = script.replace("http://localhost:8080", server.card["issuer"].as_str().unwrap());
    let run = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(place.path(""))
        .env("PATH", path)
        .output()
        .unwrap();
    // What the tour exports is known where the settings are read.
    let secret = [("COUNTERSIGN_CLIENT_SECRET", "x")];
    assert!(place.run(&["key", "list", "--data", "countersign-data"], &secret).status.success());
    assert!(Ground::on_sqlite().try_up("other", &[], &secret).is_ok());
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{script}\n---\n{out}\n---\n{err}");
    // The tour's requests: without a key, with one, with the old one, with a revoked one; with a token, and a revoked one.
    let statuses: Vec<_> = out.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect();
    assert_eq!(statuses, ["401", "200", "200", "401", "200", "401"], "{out}\n---\n{err}");
    assert!(out.contains("countersign-credential"), "{out}");
}
