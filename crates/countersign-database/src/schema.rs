//! The tables, as numbered migrations, and the judgement whether a database is ours.
//!
//! One text for both databases: SQLite reads `BLOB` for `BYTEA`, `INTEGER` for `BIGINT`, and the remark `STRICT`.
//! **Invariant.** A migration that was published is never edited; the next one has the next number.

/// What `meta` holds under `product` in every database of ours.
pub(crate) const PRODUCT: &str = "countersign";
/// SQLite's `application_id`: "CSGN".
pub(crate) const APPLICATION_ID: i64 = 0x4353_474E;

/// One step from a schema to the next.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) text: &'static str,
}

/// Every migration, in order.
pub(crate) static MIGRATIONS: &[Migration] = &[
    Migration { number: 1, text: include_str!("schema/0001_credentials.sql") },
    Migration { number: 2, text: include_str!("schema/0002_usage.sql") },
    Migration { number: 3, text: include_str!("schema/0003_disabled_by.sql") },
    Migration { number: 4, text: include_str!("schema/0004_taken_over.sql") },
    Migration { number: 5, text: include_str!("schema/0005_tally.sql") },
    Migration { number: 6, text: include_str!("schema/0006_pruning.sql") },
    Migration { number: 7, text: include_str!("schema/0007_kept.sql") },
    Migration { number: 8, text: include_str!("schema/0008_due.sql") },
    Migration { number: 9, text: include_str!("schema/0009_clients.sql") },
    Migration { number: 10, text: include_str!("schema/0010_tokens.sql") },
    Migration { number: 11, text: include_str!("schema/0011_token_caps.sql") },
    Migration { number: 12, text: include_str!("schema/0012_consent.sql") },
    Migration { number: 13, text: include_str!("schema/0013_persons.sql") },
    Migration { number: 14, text: include_str!("schema/0014_person_addresses.sql") },
    Migration { number: 15, text: include_str!("schema/0015_sessions_of.sql") },
    Migration { number: 16, text: include_str!("schema/0016_registrant.sql") },
    Migration { number: 17, text: include_str!("schema/0017_linked_identity.sql") },
];

/// Returns the newest schema that this version knows.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// What was found in a database before anything is changed there.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tables: Vec<String>,
    pub(crate) product: Option<String>,
    pub(crate) schema: Option<String>,
}

/// Why a database cannot be ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Foreign(String),
    Newer(i64),
}

/// Returns the schema of a database, zero for an empty one.
pub(crate) fn judge(found: &Found) -> Result<i64, Misfit> {
    let Some(table) = found.tables.first() else {
        return Ok(0);
    };
    if found.product.as_deref() != Some(PRODUCT) {
        return Err(Misfit::Foreign(table.clone()));
    }
    let Some(schema) = found.schema.as_deref().and_then(|text| text.parse().ok()) else {
        return Err(Misfit::Foreign(table.clone()));
    };
    if schema > newest() { Err(Misfit::Newer(schema)) } else { Ok(schema) }
}

/// Returns the migrations that a database of schema `from` still needs.
pub(crate) fn missing(from: i64) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().filter(move |migration| migration.number > from)
}

#[cfg(test)]
mod tests {
    use super::{Found, MIGRATIONS, Misfit, judge, newest};

    fn found(tables: &[&str], product: Option<&str>, schema: Option<&str>) -> Found {
        Found {
            tables: tables.iter().map(|&table| table.into()).collect(),
            product: product.map(Into::into),
            schema: schema.map(Into::into),
        }
    }

    #[test]
    fn a_database_is_empty_ours_foreign_or_newer() {
        let foreign = || Err(Misfit::Foreign("t".into()));
        let rows = [
            (found(&[], None, None), Ok(0)),
            (found(&["t"], Some("countersign"), Some("1")), Ok(1)),
            (found(&["t"], None, None), foreign()),
            (found(&["t"], Some("other"), Some("1")), foreign()),
            (found(&["t"], Some("countersign"), None), foreign()),
            (found(&["t"], Some("countersign"), Some("999")), Err(Misfit::Newer(999))),
        ];
        for (found, expected) in rows {
            assert_eq!(judge(&found), expected, "{found:?}");
        }
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.number, number);
        }
        assert!(newest() >= 1);
    }
}
