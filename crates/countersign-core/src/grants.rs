//! The register of grants (RFC 6749 §1.3). A new one is one line here; what is not here is `unsupported_grant_type`, and
//! cannot be switched on.

use crate::client_credentials;
use crate::grant::Grant;

/// Every grant.
pub static GRANTS: &[Grant] = &[client_credentials::ROW];
