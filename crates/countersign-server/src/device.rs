//! The device authorization endpoint (RFC 8628 §3.1).

use countersign_core::device::pace::INTERVAL;
use countersign_core::device::{Begin, Begun};
use countersign_core::grant::GrantError;
use countersign_edge::wire_error::{self, OAuthError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::failure::Failure;
use crate::oauth::{ClientCall, Refused};
use crate::reply::Reply;

/// Where people connect devices.
pub(crate) const PAGE: &str = "/device";

/// What a device is told (RFC 8628 §3.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeviceView {
    /// What it polls the token endpoint with.
    device_code: String,
    /// What the person types.
    user_code: String,
    /// Where.
    verification_uri: String,
    /// The same with the code in it, for a QR code; the person is asked all the same.
    verification_uri_complete: String,
    /// For how many seconds.
    expires_in: u64,
    /// How many seconds the device waits between two polls.
    interval: u64,
}

/// Lets a device ask.
pub(crate) async fn authorize(app: &App, call: ClientCall) -> Result<Reply, Failure> {
    let now = app.clock.monotonic();
    if let Some(Err(wait)) = call.address.map(|address| app.devices.may_ask(address, now)) {
        let words = "too many devices of this address ask";
        return Err(wire_error::oauth(OAuthError::TooMany(wait), words).into());
    }
    let snapshot = app.store.snapshot();
    let target = match (call.form.get("resource"), call.form.get("audience")) {
        (Some(resource), Some(audience)) if resource != audience => {
            return Err(Refused::from(GrantError::InvalidTarget).into());
        }
        (one, other) => one.or(other),
    };
    let act = Begin { scope: call.form.get("scope"), resource: target, resources: snapshot.resources() };
    let begun = app.attempt_from(&call.client, &act, call.address).await.map_err(Refused::from)?;
    let Begun { device_code, user_code, lifetime } = begun.map_err(Refused::from)?;
    let shown = user_code.shown().expose().clone();
    let page = format!("{}{PAGE}", app.issuer_url.trim_end_matches('/'));
    Reply::ok(&DeviceView {
        device_code: device_code.expose().clone(),
        verification_uri_complete: format!("{page}?user_code={shown}"),
        verification_uri: page,
        user_code: shown,
        expires_in: lifetime.as_secs(),
        interval: INTERVAL.as_secs(),
    })
}

/// What a client asks with, beside what proves it (RFC 8628 §3.1).
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeviceParameters {
    /// Space-delimited scope-tokens. Default: all that the client is registered for and the resource knows.
    scope: Option<String>,
    /// The resource that tokens shall be for (RFC 8707). Default: the client's only one, or the default one.
    resource: Option<String>,
    /// The same, under another name.
    audience: Option<String>,
    /// The client, where it does not say so in the `Authorization` field.
    client_id: Option<String>,
    /// Its secret, likewise.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (RFC 7523 §2.2).
    client_assertion_type: Option<String>,
    /// A JWT that the client has signed.
    client_assertion: Option<String>,
}
