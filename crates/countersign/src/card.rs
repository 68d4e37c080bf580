//! What `up` prints once everything is ready: a card for people, one line of JSON for machines.

use serde_json::{Value, json};

use crate::running::Urls;

/// Returns the line for machines.
pub(crate) fn json_line(urls: &Urls, management_key: Option<&str>, data: &str) -> Value {
    json!({
        "issuer": urls.issuer,
        "gateway": urls.gateway,
        "mtls": urls.mtls,
        "admin": urls.admin,
        "management_key": management_key,
        "data": data,
    })
}

/// Returns the card for people.
pub(crate) fn card(urls: &Urls, management_key: Option<&str>, data: &str, upstream: &str) -> String {
    let Urls { issuer, gateway, mtls, admin } = urls;
    let in_data = if data == "countersign-data" { String::new() } else { format!(" --data {data}") };
    let ca = if gateway.starts_with("https") { format!(" --cacert {data}/ca.pem") } else { String::new() };
    let key = management_key.map_or_else(
        || format!("  management key  shown on the first start; a new one: countersign management-key rotate{in_data}"),
        |key| format!("  management key  {key}\n                  shown this once; keep it, or replace it: countersign management-key rotate{in_data}"),
    );
    format!(
        "
Countersign is up. Every request to the gateway needs an API key.

  gateway         {gateway}  ->  {upstream}
  gateway, TLS    {mtls}  (certificate authority: {data}/ca.pem)
  management API  {admin}
  issuer          {issuer}
  data            {data}
{key}

Try it in another terminal:

  curl -i{ca} {gateway}/hello                                    # 401: nobody gets in without a key
  KEY=$(countersign key create --name first{in_data})
  curl -i{ca} -H \"Authorization: Bearer $KEY\" {gateway}/hello    # 200: the upstream sees who called
  countersign key list{in_data}
  countersign key revoke ID{in_data}                             # ... and the next request gets 401

Without the binary on your PATH, write `cargo run --release --` for `countersign`. Ctrl-C stops.
"
    )
}
