//! The register of grants (RFC 6749 §1.3). A new one is one line here; what is not here is `unsupported_grant_type`, and
//! cannot be switched on.

use crate::grant::Grant;
use crate::{authorization_code, client_credentials, device, refresh_token};

/// Every grant.
pub static GRANTS: &[Grant] =
    &[authorization_code::ROW, client_credentials::ROW, device::ROW, refresh_token::ROW];
