//! Which keys a list shows, or a bulk revocation ends.

use std::str::FromStr;

use countersign_core::decision::Permit;
use countersign_core::duration::parse_duration;
use countersign_core::environment::Environment;
use countersign_core::key_string::KeyPrefix;
use countersign_core::kind::Kind;
use countersign_core::reach::reach;
use countersign_core::record::CredentialRecord;
use countersign_core::timestamp::Timestamp;
use countersign_store::{CredentialFilter, Cursor, PageRequest, StateFilter};

use crate::app::App;
use crate::failure::Failure;
use crate::parameter::Query;
use crate::schema::KeyFilter;

/// Pages that one call reads at most: beyond them the answer says where to go on.
const PAGES: usize = 20;

/// A filter whose values are parsed.
#[derive(Debug)]
pub(crate) struct Filter {
    stored: CredentialFilter,
    prefix: Option<KeyPrefix>,
    environment: Option<Environment>,
    expires_before: Option<Timestamp>,
    created_before: Option<Timestamp>,
    unused_since: Option<Timestamp>,
}

/// Keys that were found, and where to go on.
pub(crate) struct Scan {
    pub(crate) records: Vec<CredentialRecord>,
    pub(crate) next: Option<Cursor>,
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: Option<&String>,
) -> Result<Option<T>, Failure> {
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|error| Failure::Invalid(format!("the filter `{name}`: {error}")))
}

impl KeyFilter {
    /// Reads a filter from a query.
    pub(crate) fn of_query(query: &Query) -> Self {
        let text = |name: &str| query.get(name).map(str::to_owned);
        Self {
            owner: text("owner"),
            state: text("state"),
            prefix: text("prefix"),
            environment: text("environment"),
            expires_before: text("expires_before"),
            expiring_within: text("expiring_within"),
            created_before: text("created_before"),
            unused_since: text("unused_since"),
        }
    }

    /// Tells whether it names nothing, so that it means every key.
    pub(crate) fn is_empty(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|value| value.as_object().is_some_and(serde_json::Map::is_empty))
    }

    pub(crate) fn parse(&self, kind: &'static Kind, now: Timestamp) -> Result<Filter, Failure> {
        let expires_before: Option<Timestamp> = parsed("expires_before", self.expires_before.as_ref())?;
        let within = self.expiring_within.as_deref().map(parse_duration).transpose();
        let within =
            within.map_err(|error| Failure::Invalid(format!("the filter `expiring_within`: {error}")))?;
        let state = parsed("state", self.state.as_ref())?;
        Ok(Filter {
            stored: CredentialFilter {
                kind,
                owner: parsed("owner", self.owner.as_ref())?,
                // What expires within a time has not expired yet.
                state: state.or_else(|| within.map(|_| StateFilter::Live)),
            },
            prefix: parsed("prefix", self.prefix.as_ref())?,
            environment: parsed("environment", self.environment.as_ref())?,
            expires_before: expires_before.or_else(|| within.map(|within| now.plus(within))),
            created_before: parsed("created_before", self.created_before.as_ref())?,
            unused_since: parsed("unused_since", self.unused_since.as_ref())?,
        })
    }
}

impl Filter {
    fn admits(&self, record: &CredentialRecord) -> bool {
        let terms = &record.terms;
        self.prefix.as_ref().is_none_or(|prefix| terms.prefix == *prefix)
            && self.environment.is_none_or(|environment| terms.environment == environment)
            && self.expires_before.is_none_or(|end| record.expires_at.is_some_and(|expires| expires < end))
            && self.created_before.is_none_or(|end| record.created_at < end)
            && self.unused_since.is_none_or(|begin| record.last_used_at.is_none_or(|used| used < begin))
    }

    /// Finds at most `limit` keys that the caller may know of. May find fewer and still say where to go on.
    pub(crate) async fn scan(
        &self,
        app: &App,
        permit: &Permit,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<Scan, Failure> {
        let mut found = Scan { records: Vec::new(), next: cursor };
        for _page in 0..PAGES {
            let request = PageRequest { limit: limit - found.records.len(), cursor: found.next.take() };
            let page =
                app.store.credentials(reach(permit.principal()), &self.stored, &request, app.now()).await?;
            found.records.extend(page.rows.into_iter().filter(|record| self.admits(record)));
            found.next = page.next;
            if found.next.is_none() || found.records.len() >= limit {
                break;
            }
        }
        Ok(found)
    }
}
