//! An identity provider on loopback, which does as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::base64url;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use serde_json::{Value, json};

/// What we are called there, with what has to be encoded (RFC 6749 §2.3.1).
pub(super) const CLIENT: &str = "countersign here";
/// What proves us there.
pub(super) const SECRET: &str = "s3cret: +%\n";

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Good,
    /// Redeems a code as often as it is asked.
    Sloppy,
    /// Publishes another issuer.
    Issuer,
    Typ(&'static str),
    Alg(&'static str),
    ForeignKey,
    UnknownKid,
    NoToken,
    Error,
    Status,
    Redirect,
    Nonsense,
    Megabytes,
    Hang,
    Drop,
}

/// An identity provider.
pub(super) struct Provider {
    pub(super) issuer: String,
    port: u16,
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

struct State {
    issuer: String,
    mode: Mode,
    key: SigningKey,
    claims: Value,
    userinfo: Value,
    /// What was asked with each code.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    used: BTreeSet<String>,
    redeemed: usize,
    fetched: usize,
}

impl Provider {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("http://127.0.0.1:{port}");
        let state = State {
            issuer: issuer.clone(),
            mode: Mode::Good,
            key: key("one"),
            claims: json!({}),
            userinfo: Value::Null,
            codes: BTreeMap::new(),
            used: BTreeSet::new(),
            redeemed: 0,
            fetched: 0,
        };
        let (state, ends) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (shared, end) = (Arc::clone(&state), Arc::clone(&ends));
        let serving = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, end) = (Arc::clone(&shared), Arc::clone(&end));
                thread::spawn(move || serve(&stream.unwrap(), &shared, &end));
            }
        });
        Self { issuer, port, state, ends, serving: Some(serving) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn be(&self, mode: Mode) {
        self.state().mode = mode;
    }

    /// Changes what ID tokens say; null takes a claim away.
    pub(super) fn say(&self, claims: Value) {
        self.state().claims = claims;
    }

    /// Tells this at the userinfo endpoint.
    pub(super) fn tell(&self, userinfo: Value) {
        self.state().userinfo = userinfo;
    }

    /// Signs with another key from now on, and publishes that one alone.
    pub(super) fn rotate(&self) {
        self.state().key = key("two");
    }

    /// Makes a code for a request.
    pub(super) fn allow(&self, asked: &BTreeMap<String, String>) -> String {
        let mut state = self.state();
        let code = format!("code-{}", state.codes.len());
        state.codes.insert(code.clone(), asked.clone());
        code
    }

    pub(super) fn redeemed(&self) -> usize {
        self.state().redeemed
    }

    /// How often its keys were fetched.
    pub(super) fn fetched(&self) -> usize {
        self.state().fetched
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        let _ended = self.serving.take().map(JoinHandle::join);
    }
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(SignatureAlgorithm::Es256).unwrap().named(kid.to_owned())
}

/// Reads the query of an address, or a form.
pub(super) fn parameters(text: &str) -> BTreeMap<String, String> {
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn serve(stream: &TcpStream, state: &Mutex<State>, ends: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() || first.is_empty() {
        return;
    }
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        let _read = reader.read_line(&mut line);
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if lower.starts_with("authorization:") {
            authorization = line["authorization:".len()..].trim().to_owned();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    let _read = reader.read_exact(&mut body);
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let form = parameters(&String::from_utf8(body).unwrap());
    let answer = answer(&path, &authorization, &form, state);
    let mut stream = stream;
    match answer {
        Some(answer) => {
            let _written = stream.write_all(answer.as_bytes());
        }
        // It hangs until the other side gives up.
        None => while !ends.load(Ordering::SeqCst) && stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {},
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a lie is about one thing")]
fn answer(
    path: &str,
    authorization: &str,
    form: &BTreeMap<String, String>,
    state: &Mutex<State>,
) -> Option<String> {
    let mut state = state.lock().unwrap();
    let ok = |value: &Value| http("200 OK", &value.to_string());
    let metadata = path == "/.well-known/openid-configuration";
    let plays = match state.mode {
        // What is published stays good where the token endpoint is what fails.
        Mode::Megabytes | Mode::Hang | Mode::Status if metadata => state.redeemed == 0 && state.fetched == 0,
        _ => path == "/token",
    };
    match state.mode {
        Mode::Hang if plays => return None,
        Mode::Drop if plays => return Some(String::new()),
        Mode::Megabytes if plays => return Some(http("200 OK", &format!("\"{}\"", "x".repeat(4 << 20)))),
        Mode::Status if plays => return Some(http("500 Internal Server Error", "")),
        Mode::Redirect if plays => {
            return Some(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            );
        }
        Mode::Nonsense if plays => return Some(http("200 OK", "<html>")),
        Mode::Error if plays => return Some(http("400 Bad Request", "{\"error\":\"invalid_grant\"}")),
        _ => {}
    }
    Some(match path {
        "/.well-known/openid-configuration" => ok(&metadata_of(&state)),
        "/keys" => {
            state.fetched += 1;
            ok(&json!({ "keys": [state.key.public().to_jwk()] }))
        }
        "/token" => token(&mut state, authorization, form),
        // As GitHub answers, a GitHub Enterprise Server below itself.
        "/login/oauth/access_token" => github_token(&mut state, form),
        "/api/v3/user" if authorization == "Bearer gho_at" => ok(&state.claims),
        "/api/v3/user/emails" if authorization == "Bearer gho_at" => ok(&state.userinfo),
        "/api/v3/user" | "/api/v3/user/emails" => {
            http("401 Unauthorized", "{\"message\":\"Bad credentials\"}")
        }
        "/userinfo" if authorization == "Bearer at" && state.userinfo != Value::Null => ok(&state.userinfo),
        "/userinfo" => {
            let subject = state.claims.get("sub").and_then(Value::as_str);
            ok(&json!({ "sub": subject.unwrap_or("248289761001") }))
        }
        _ => http("404 Not Found", ""),
    })
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn metadata_of(state: &State) -> Value {
    let issuer = &state.issuer;
    json!({
        "issuer": if state.mode == Mode::Issuer { "https://evil.example" } else { issuer },
        "authorization_endpoint": format!("{issuer}/authorize?at=once"), "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"), "jwks_uri": format!("{issuer}/keys"),
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// Redeems a code as RFC 6749 §4.1.3 and RFC 7636 §4.6 say.
fn token(state: &mut State, authorization: &str, form: &BTreeMap<String, String>) -> String {
    state.redeemed += 1;
    let refused =
        |why: &str| http("400 Bad Request", &json!({ "error": "invalid_grant", "why": why }).to_string());
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let expected =
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET.trim()))));
    let Some(asked) = state.codes.get(&form["code"]).cloned() else { return refused("code") };
    let challenge = base64url::encode(digest(&SHA256, form["code_verifier"].as_bytes()).as_ref());
    let good = authorization == expected
        && form["grant_type"] == "authorization_code"
        && form["redirect_uri"] == asked["redirect_uri"]
        && challenge == asked["code_challenge"];
    let used = !state.used.insert(form["code"].clone());
    if !good || (used && state.mode != Mode::Sloppy) {
        return refused("proof");
    }
    let mut claims = json!({
        "iss": state.issuer, "sub": "248289761001", "aud": CLIENT, "iat": now(), "exp": now() + 300,
        "nonce": asked["nonce"],
    });
    for (name, value) in state.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let id_token = signed(state, &claims.to_string());
    let mut answer = json!({ "access_token": "at", "token_type": "Bearer", "id_token": id_token });
    if state.mode == Mode::NoToken {
        answer.as_object_mut().unwrap().remove("id_token");
    }
    http("200 OK", &answer.to_string())
}

/// Redeems a code as GitHub does: it answers an error with 200.
fn github_token(state: &mut State, form: &BTreeMap<String, String>) -> String {
    state.redeemed += 1;
    let asked = state.codes.get(&form["code"]).cloned().unwrap_or_default();
    let challenge = base64url::encode(digest(&SHA256, form["code_verifier"].as_bytes()).as_ref());
    let good = form["client_id"] == CLIENT
        && form["client_secret"] == SECRET.trim()
        && asked.get("redirect_uri") == Some(&form["redirect_uri"])
        && asked.get("code_challenge") == Some(&challenge)
        && state.used.insert(form["code"].clone());
    let answer = match good {
        true => json!({ "access_token": "gho_at", "token_type": "bearer", "scope": "read:user,user:email" }),
        false => {
            json!({ "error": "bad_verification_code", "error_description": "The code is incorrect or expired." })
        }
    };
    http("200 OK", &answer.to_string())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a lie is about one thing")]
fn signed(state: &State, claims: &str) -> String {
    let by = |key: &SigningKey, typ: &str| jws::sign(key, typ, claims.as_bytes()).unwrap();
    match state.mode {
        Mode::Typ(typ) => by(&state.key, typ),
        Mode::ForeignKey => by(&key("one"), "JWT"),
        Mode::UnknownKid => by(&key("another"), "JWT"),
        Mode::Alg(alg) => {
            let header = json!({ "alg": alg, "kid": "one" }).to_string();
            format!("{}.{}.AAAA", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()))
        }
        _ => by(&state.key, "JWT"),
    }
}
