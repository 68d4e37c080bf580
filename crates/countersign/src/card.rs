//! What `up` prints once everything is ready: a card for people, one line of JSON for machines.

use std::path::Path;

use serde_json::{Value, json};

use crate::environment;
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
    let program = program();
    let Urls { issuer, gateway, mtls, admin } = urls;
    let in_data = if data == "countersign-data" { String::new() } else { format!(" --data {data}") };
    let ca = if gateway.starts_with("https") { format!(" --cacert {data}/ca.pem") } else { String::new() };
    let key = management_key.map_or_else(
        || format!("  management key  shown on the first start; a new one: {program} management-key rotate{in_data}"),
        |key| format!("  management key  {key}\n                  shown this once; keep it, or replace it: {program} management-key rotate{in_data}"),
    );
    format!(
        "
Countersign is up. Every request to the gateway needs an API key or an access token.

  gateway         {gateway}  ->  {upstream}
  gateway, TLS    {mtls}  (certificate authority: {data}/ca.pem)
  management API  {admin}
  issuer          {issuer}
  data            {data}
{key}

Try it in another terminal:

  curl -i{ca} {gateway}/hello                                    # 401: nobody gets in without a key
  KEY=$({program} key create --name first{in_data})
  curl -i{ca} -H \"Authorization: Bearer $KEY\" {gateway}/hello    # 200: the upstream sees who called
  {program} key list{in_data}
  {program} key revoke ID{in_data}    # ... and the next request gets 401

A service obtains tokens instead:

  export COUNTERSIGN_CLIENT_SECRET=$({program} client create --name billing --grant client_credentials{in_data})
  TOKEN=$({program} token get --issuer {issuer}{in_data} --client-id ID)    # the ID that was told above
  curl -i{ca} -H \"Authorization: Bearer $TOKEN\" {gateway}/hello
  {program} token revoke $TOKEN{in_data}    # ... and the next request gets 401

Ctrl-C stops.
"
    )
}

/// Returns how this program is called from here, so that the card's lines can be pasted as they are.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else {
        return "countersign".to_owned();
    };
    let directories = environment::variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&directories).any(|directory| directory.join("countersign") == path);
    if on_path {
        return "countersign".to_owned();
    }
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or(path).display().to_string()
}
