//! The register of statements: what a test prepares on both databases.

use crate::{
    artifact, artifact_count, audit_event, audit_start, change, consent, creation, credential,
    decision_count, due, ended, identity, incarnation, mark, membership, meta, node, owner, person, resource,
    signing_key, taken_over, tally, usage,
};
use countersign_database::statement::Statement;

/// Returns every statement that the store runs.
pub(crate) fn all() -> impl Iterator<Item = &'static Statement> {
    [
        audit_event::STATEMENTS,
        audit_start::STATEMENTS,
        change::STATEMENTS,
        consent::STATEMENTS,
        creation::STATEMENTS,
        credential::STATEMENTS,
        decision_count::STATEMENTS,
        due::STATEMENTS,
        ended::STATEMENTS,
        identity::STATEMENTS,
        incarnation::STATEMENTS,
        artifact::STATEMENTS,
        artifact_count::STATEMENTS,
        signing_key::STATEMENTS,
        tally::STATEMENTS,
        mark::STATEMENTS,
        membership::STATEMENTS,
        meta::STATEMENTS,
        node::STATEMENTS,
        owner::STATEMENTS,
        person::STATEMENTS,
        resource::STATEMENTS,
        taken_over::STATEMENTS,
        usage::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_statement_is_registered() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut written = 0;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                written += text.lines().filter(|line| line.contains("Statement::new(")).count();
            }
        }
        // One is the pattern of this test.
        assert_eq!(super::all().count(), written - 1);
    }
}
