//! Two kinds and a grant that exist in tests alone: what one more costs is a file and a line.

mod assertion;
mod bearer;
pub(crate) mod connection;
mod ground;
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use crate::credential::Row;
use crate::grant::Grant;
use crate::kind::Kind;

/// Who is recognised.
pub(crate) static GATEWAY: &[Row] = &[bearer::ROW, connection::ROW];

/// What is redeemed.
pub(crate) static GRANTS: &[Grant] = &[assertion::ROW];

/// Every kind, read from the rows: nothing is listed twice.
pub(crate) static KINDS: LazyLock<Vec<&Kind>> =
    LazyLock::new(|| GATEWAY.iter().map(|row| row.kind).collect());

/// How long it is remembered that something was used.
const REMEMBERED: Duration = Duration::from_secs(60);

fn thumbprint(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
