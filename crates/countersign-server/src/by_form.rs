//! Requests that a client's own page posts instead of sending the browser to an address.
//!
//! **Invariant.** Nothing is answered here but the address of the same request: a browser does not bring our cookies, which are
//! `SameSite=Lax`, when another site posts, so whoever is signed in would not seem to be.

use countersign_edge::form::{Form, is_form};
use http::header::HeaderValue;
use url::form_urlencoded::Serializer;

use crate::app::App;
use crate::failure::Failure;
use crate::places::Sender;
use crate::received::Received;
use crate::reply::Reply;

/// The most bytes of a request, as it comes and as it is sent on: half of what is read of a head; a bound, not a clause.
const MOST: usize = 8 * 1024;

/// Sends the browser on to the address that asks for the same.
pub(crate) async fn send_on(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let Received { head, body, .. } = received;
    if !is_form(&head.headers) {
        return Err(Failure::no_form());
    }
    let body = app.intake.read(Sender::Address(address), body, MOST).await?;
    let form = Form::read_all(&body).map_err(|error| Failure::Invalid(error.to_string()))?;
    let query = Serializer::new(String::new()).extend_pairs(form.into_pairs()).finish();
    let to = Some(query).filter(|query| query.len() <= MOST);
    let to = to.and_then(|query| HeaderValue::try_from(format!("{}?{query}", head.uri.path())).ok());
    to.map(Reply::see_other).ok_or_else(|| Failure::Invalid("expected at most 8 KiB".to_owned()))
}
