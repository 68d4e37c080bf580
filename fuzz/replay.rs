//! Replays what was kept for a fuzz target. Each crate with targets has this file among its tests.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Runs `target` over every input that was kept for the fuzz target `name`.
#[track_caller]
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    assert!(fuzz.join("targets").join(name).with_extension("rs").is_file(), "fuzz/targets has no {name}");
    let kept: Vec<_> = fs::read_dir(fuzz.join("corpus").join(name)).unwrap().collect();
    assert!(!kept.is_empty(), "fuzz/corpus/{name} is empty");
    for entry in kept {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(catch_unwind(|| target(&bytes)).is_ok(), "{name} fails with {}", path.display());
    }
}
