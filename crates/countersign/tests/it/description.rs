//! The description at `/v1/openapi.json` is true: real answers of every endpoint, compared with it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::harness::{Answer, Ground, Server, get, raw};

/// A running product and what it says of itself.
struct World {
    server: Server,
    document: Value,
    /// The endpoints that answered with what they are for.
    answered: BTreeSet<String>,
}

/// One described operation.
struct Operation {
    id: String,
    method: String,
    path: String,
    listener: String,
    scope: Option<String>,
    described: Value,
}

impl World {
    fn new(server: Server) -> Self {
        let document = server.manage("GET", "/v1/openapi.json", &Value::Null).json();
        Self { server, document, answered: BTreeSet::new() }
    }

    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, described) in item.as_object().unwrap() {
                operations.push(Operation {
                    id: described["operationId"].as_str().unwrap().to_owned(),
                    method: method.to_ascii_uppercase(),
                    path: path.clone(),
                    listener: described["tags"][0].as_str().unwrap().to_owned(),
                    scope: described["security"][0]["management_key"]
                        .as_array()
                        .map(|scopes| scopes.first().and_then(Value::as_str).unwrap_or_default().to_owned()),
                    described: described.clone(),
                });
            }
        }
        operations
    }

    fn operation(&self, id: &str) -> Operation {
        self.operations()
            .into_iter()
            .find(|one| one.id == id)
            .unwrap_or_else(|| panic!("{id} is not described"))
    }

    /// Tells whether people read its answer.
    fn shows_page(&self, id: &str) -> bool {
        let answer = self.operation(id).described["responses"]["200"]["content"].clone();
        answer.as_object().is_some_and(|kinds| kinds.contains_key("text/html; charset=utf-8"))
    }

    fn send(&self, operation: &Operation, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let (method, body) =
            (&operation.method, if body.is_null() { String::new() } else { body.to_string() });
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        raw(&self.server.address(&operation.listener), &head)
    }

    /// Calls the endpoint `id`, and compares the answer with its description.
    #[track_caller]
    fn check(&mut self, id: &str, (segment, query): (&str, &str), body: &Value, status: u16) -> Value {
        let operation = self.operation(id);
        let key = operation.scope.as_ref().map(|_| self.server.management_key());
        let path =
            ["{id}", "{path}"].iter().fold(operation.path.clone(), |path, name| path.replace(name, segment))
                + query;
        let answer = self.send(&operation, &path, key.as_deref(), body);
        assert_eq!(answer.status, status, "{id}: {answer:?}");
        self.compare(&operation, &answer);
        if status < 300 {
            self.answered.insert(id.to_owned());
            if !body.is_null() {
                let sent = &operation.described["requestBody"]["content"]["application/json"]["schema"];
                self.conforms(sent, body, id);
            }
        }
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn compare(&self, operation: &Operation, answer: &Answer) {
        let response = &operation.described["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{}: {} is not described", operation.id, answer.status);
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.body, "", "{}", operation.id);
            return;
        };
        let kind = answer.header("content-type").unwrap();
        let described = content.get(&kind).unwrap_or_else(|| panic!("{}: {kind}", operation.id));
        if kind.ends_with("json") {
            self.conforms(
                &described["schema"],
                &answer.json(),
                &format!("{} {}", operation.id, answer.status),
            );
        }
    }

    /// Compares a value with a schema: types, what is required, and nothing that is not declared.
    #[track_caller]
    fn conforms(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(reference.trim_start_matches('#')).unwrap();
            return self.conforms(target, value, at);
        }
        if let Some(choices) = schema["enum"].as_array() {
            assert!(choices.contains(value), "{at}: {value} is none of {choices:?}");
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let chosen = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
            return self.conforms(chosen.unwrap(), value, at);
        }
        let types: Vec<_> = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
            // What people write on a key is any JSON.
            _ if at.ends_with(".metadata") => return,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                panic!("{at}: no type in {schema}")
            }
        };
        assert!(types.contains(&type_of(value, &types)), "{at}: {value} is no {types:?}");
        if let Some(members) = value.as_object() {
            self.members_conform(schema, members, at);
        }
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            self.conforms(&schema["items"], value, &format!("{at}[{index}]"));
        }
    }

    #[track_caller]
    fn members_conform(&self, schema: &Value, members: &Map<String, Value>, at: &str) {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, value) in members {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(described), _) => self.conforms(described, value, &at),
                (None, Some(Value::Bool(true))) => {}
                (None, Some(described @ Value::Object(_))) => self.conforms(described, value, &at),
                (None, _) => panic!("{at} is not declared"),
            }
        }
    }
}

fn type_of(value: &Value, expected: &[&str]) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() || expected.contains(&"number") => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

const WHOLE: (&str, &str) = ("", "");

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// Every endpoint is offered: GitHub's reports are taken, and routes ask for tokens of others.
const SETTINGS: &str = r#"
leaks = { github = true }

[[route]]
path = "/{**}"
upstream = "default"
require = { any = [
    { api_key = {} },
    { jwt = { issuer = "https://login.example.com", audience = "https://api.example.com", algorithms = ["ES256"] } },
    { jwt = { issuer = "https://login.example.com", audience = "https://api.example.com/a", algorithms = ["ES256"], claims = { role = "admin" } } },
] }
"#;

#[test]
fn every_endpoint_answers_as_it_is_described() {
    let place = Ground::new();
    let config = place.write("c.toml", SETTINGS);
    let mut world = World::new(place.up("data", &["--config", config.to_str().unwrap()]));
    let none = Value::Null;
    for id in
        ["describeIssuer", "readCertificationAuthority", "readGatewayHealth", "readHealth", "readMetrics"]
    {
        world.check(id, WHOLE, &none, 200);
        world.check(id, ("", "?x=1"), &none, 400);
        world.check(id, ("", "?x=1&x=1"), &none, 400);
    }
    world.check("readAssertionKeys", WHOLE, &none, 200);
    world.check("describeResource", WHOLE, &none, 200);
    world.check("describeResourceWithPath", ("a", ""), &none, 200);
    world.check("describeResourceWithPath", ("b", ""), &none, 404);
    world.check("readReadiness", WHOLE, &none, 200);
    world.check("readPicture", WHOLE, &none, 200);
    world.check("readStylesheet", WHOLE, &none, 200);
    world.check("describeApi", WHOLE, &none, 200);
    keys_answer_as_described(&mut world);
    management_keys_answer_as_described(&mut world);
    owners_answer_as_described(&mut world);
    clients_answer_as_described(&mut world);
    tokens_answer_as_described(&mut world);
    users_answer_as_described(&mut world);
    pages_answer_as_described(&mut world);
    world.check("listAuditEvents", ("", "?limit=2"), &none, 200);
    let latest = world.check("listAuditEvents", ("", "?limit=2&last=true"), &none, 200);
    assert_eq!(latest["next_cursor"], Value::Null, "there is nothing after the latest");
    world.check("listAuditEvents", ("", "?last=yes"), &none, 400);
    world.check("verifyAuditChains", WHOLE, &none, 200);
    assert_eq!(world.server.call("/x", None).status, 401);
    world.check("listDecisions", WHOLE, &none, 200);
    world.check("listRoutes", WHOLE, &none, 200);
    world.check("reloadSettings", WHOLE, &none, 200);
    place.write("c.toml", &format!("{SETTINGS}[gatway]\n"));
    world.check("reloadSettings", WHOLE, &none, 409);
    world.check("reportLeakedKeys", WHOLE, &json!({ "credentials": ["x"] }), 202);
    world.check("reportLeakedKeys", WHOLE, &json!({ "credentials": [] }), 400);
    world.check("reportLeakedKeysFromGithub", WHOLE, &json!([]), 400);

    let ids: BTreeSet<_> = world.operations().into_iter().map(|operation| operation.id).collect();
    let missing: Vec<_> = ids.difference(&world.answered).filter(|id| !world.shows_page(id)).collect();
    // What takes a person, a mail server or GitHub's signature: see `people`, `web_sessions`, `mails` and `github`. So do pages.
    let elsewhere = [
        "endWebSession",
        "mailUser",
        "readUserInfo",
        "readUserInfoByForm",
        "readWebSession",
        "reportLeakedKeysFromGithub",
        "revokeGrant",
    ];
    assert_eq!(missing, elsewhere, "each endpoint is called here");
}

fn keys_answer_as_described(world: &mut World) {
    let none = Value::Null;
    let limits = json!([{ "name": "burst", "limit": 10, "window": "1m" }]);
    let body = json!({ "name": "a", "scopes": ["a:b"], "limits": limits, "metadata": { "team": "a" },
        "allow_from": ["127.0.0.0/8"], "expires_in": "90d" });
    let minted = world.check("createKey", WHOLE, &body, 201);
    let id = text(&minted, "id");
    world.check("createKey", WHOLE, &json!({ "nam": "a" }), 400);
    world.check("createKey", WHOLE, &json!({ "name": "a", "owner": "org_0000000000000000000001" }), 404);
    let verify = json!({ "key": minted["key"], "scopes": ["a:b"], "client_ip": "127.0.0.1", "cost": 1 });
    assert_eq!(world.check("verifyKey", WHOLE, &verify, 200)["limits"][0]["remaining"], 9);
    world.check("verifyKey", WHOLE, &json!({ "key": "x" }), 200);
    world.check("showKey", (&id, ""), &none, 200);
    world.check("showKey", ("key_nobody", ""), &none, 404);
    world.check("updateKey", (&id, ""), &json!({ "name": "b", "scopes": null, "enabled": true }), 200);
    world.check("updateKey", (&id, ""), &json!({ "enabled": null }), 400);
    let rotated = world.check("rotateKey", (&id, ""), &json!({ "overlap": "1h" }), 201);
    world.check("rotateKey", (&id, ""), &json!({}), 409);
    world.check("listKeys", ("", "?limit=1&state=live&environment=live"), &none, 200);
    let more = world.check("listKeys", ("", "?limit=1"), &none, 200);
    let cursor = text(&more, "next_cursor");
    world.check("listKeys", ("", &format!("?cursor={cursor}")), &none, 200);
    for query in ["?limit=0", "?limit=x", "?limits=1", "?limit=1&limit=1", "?state=dead", "?cursor=%zz"] {
        world.check("listKeys", ("", query), &none, 400);
    }
    world.check("revokeKey", (&text(&rotated, "id"), ""), &none, 200);
    world.check("deleteKey", (&text(&rotated, "id"), ""), &none, 204);
    let import = json!({ "algorithm": "sha256", "prefix": "acme_",
        "keys": [{ "hash": "0".repeat(64), "name": "c" }, { "hash": "1" }] });
    world.check("importKeys", WHOLE, &import, 200);
    world.check("revokeKeys", WHOLE, &json!({ "filter": { "prefix": "acme" } }), 200);
    world.check("revokeKeys", WHOLE, &json!({ "all": true, "dry_run": true }), 200);
    world.check("revokeKeys", WHOLE, &json!({}), 400);
}

fn management_keys_answer_as_described(world: &mut World) {
    let none = Value::Null;
    let body = json!({ "name": "m", "scopes": ["keys:read"], "grantable": ["a:*"] });
    let id = text(&world.check("createManagementKey", WHOLE, &body, 201), "id");
    world.check("listManagementKeys", WHOLE, &none, 200);
    let next = text(&world.check("rotateManagementKey", (&id, ""), &json!({}), 201), "id");
    world.check("revokeManagementKey", (&next, ""), &none, 200);
    world.check("deleteManagementKey", (&next, ""), &none, 204);
    let replaced = world.check("replaceManagementKey", WHOLE, &none, 201);
    world.server.card["management_key"] = replaced["key"].clone();
}

fn owners_answer_as_described(world: &mut World) {
    let none = Value::Null;
    let id =
        text(&world.check("createOwner", WHOLE, &json!({ "kind": "organisation", "name": "o" }), 201), "id");
    world.check("disableOwner", (&id, ""), &none, 200);
    world.check("enableOwner", (&id, ""), &none, 200);
    world.check("listOwners", ("", "?limit=1"), &none, 200);
    world.check("enableOwner", ("org_0000000000000000000001", ""), &none, 404);
}

fn clients_answer_as_described(world: &mut World) {
    let none = Value::Null;
    let resource = json!({ "id": "https://api.example.com", "scopes": { "orders:read": "See your orders" },
        "access_token": { "lifetime": "10m", "signing_alg": "RS256" }, "claims": { "role": "service" } });
    world.check("createResource", WHOLE, &resource, 201);
    world.check("createResource", WHOLE, &resource, 409);
    world.check("createResource", WHOLE, &json!({ "id": "api" }), 400);
    let key = json!({ "kty": "OKP", "crv": "X25519", "use": "enc",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" });
    let at = ("https%3A%2F%2Fapi.example.com", "");
    world.check("updateResource", at, &json!({ "jwks": { "keys": [key] } }), 200);
    world.check("updateResource", at, &json!({ "jwks": null }), 200);
    world.check("updateResource", at, &json!({ "jwks": { "keys": [] } }), 400);
    world.check("updateResource", at, &json!({}), 400);
    world.check("updateResource", ("urn:none", ""), &json!({ "jwks": null }), 404);
    world.check("createResource", WHOLE, &json!({ "id": "urn:x", "access_token": {} }), 201);
    world.check("deleteResource", ("urn:x", ""), &none, 204);
    world.check("deleteResource", ("urn:x", ""), &none, 404);
    world.check("listResources", WHOLE, &none, 200);
    let body = json!({ "name": "billing", "grant_types": ["client_credentials"], "scopes": ["orders:read"],
        "audiences": ["https://api.example.com"], "metadata": { "team": "a" } });
    let client = world.check("createClient", WHOLE, &body, 201);
    assert!(text(&client, "client_secret").starts_with("cs_secret_"));
    let id = text(&client, "client_id");
    world.check("createClient", WHOLE, &json!({ "name": "x", "grant_types": ["implicit"] }), 400);
    let unknown = json!({ "name": "x", "grant_types": ["client_credentials"], "audiences": ["urn:x:no"] });
    world.check("createClient", WHOLE, &unknown, 400);
    let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let signing = json!({ "name": "signs", "grant_types": ["client_credentials"], "jwks": jwks,
        "token_endpoint_auth_method": "private_key_jwt" });
    let signing = world.check("createClient", WHOLE, &signing, 201);
    assert_eq!(signing["client_secret"], Value::Null);
    world.check("rotateClientSecret", (&text(&signing, "client_id"), ""), &json!({}), 409);
    world.check("listClients", ("", "?limit=1"), &none, 200);
    world.check("showClient", (&id, ""), &none, 200);
    world.check("showClient", ("client_0000000000000000000001", ""), &none, 404);
    world.check("updateClient", (&id, ""), &json!({ "name": "invoices", "metadata": null }), 200);
    world.check("updateClient", (&id, ""), &json!({ "grant_types": [] }), 400);
    world.check("rotateClientSecret", (&id, ""), &json!({ "overlap": "1h" }), 201);
    world.check("disableClient", (&id, ""), &none, 200);
    world.check("rotateClientSecret", (&id, ""), &json!({}), 409);
    world.check("enableClient", (&id, ""), &none, 200);
}

fn tokens_answer_as_described(world: &mut World) {
    let none = Value::Null;
    for id in ["readSigningKeys", "describeAuthorizationServer", "describeOpenidProvider"] {
        world.check(id, WHOLE, &none, 200);
    }
    for id in ["issueToken", "introspectToken", "revokeToken"] {
        world.check(id, WHOLE, &json!({ "grant_type": "client_credentials" }), 401);
        world.check(id, WHOLE, &json!({ "grant_type": 1 }), 400);
    }
    let body = json!({ "name": "caller", "grant_types": ["client_credentials"], "scopes": ["a"] });
    let client = world.check("createClient", WHOLE, &body, 201);
    let with = |more: Value| {
        let mut members =
            json!({ "client_id": client["client_id"], "client_secret": client["client_secret"] });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    let issued = world.check("issueToken", WHOLE, &with(json!({ "grant_type": "client_credentials" })), 200);
    world.check("issueToken", WHOLE, &with(json!({ "grant_type": "password" })), 400);
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let body = json!({ "name": "tv", "grant_types": [device], "token_endpoint_auth_method": "none" });
    let id = world.check("createClient", WHOLE, &body, 201)["client_id"].clone();
    world.check("authorizeDevice", WHOLE, &json!({ "client_id": id }), 200);
    world.check("authorizeDevice", WHOLE, &json!({ "client_id": id, "scope": "a" }), 400);
    world.check("authorizeDevice", WHOLE, &json!({}), 401);
    let token = json!({ "token": issued["access_token"] });
    assert_eq!(world.check("introspectToken", WHOLE, &with(token.clone()), 200)["active"], true);
    world.check("revokeToken", WHOLE, &with(token.clone()), 200);
    assert_eq!(world.check("introspectToken", WHOLE, &with(token), 200), json!({ "active": false }));
    let kid = text(&world.check("listSigningKeys", WHOLE, &none, 200)["data"][0], "kid");
    world.check("rotateSigningKey", WHOLE, &json!({ "alg": "ES256", "publish_first": true }), 201);
    world.check("rotateSigningKey", WHOLE, &json!({ "alg": "none" }), 400);
    world.check("rotateSigningKey", WHOLE, &json!({ "alg": "PS512" }), 404);
    world.check("revokeSigningKey", (&kid, ""), &none, 200);
    world.check("revokeSigningKey", ("sig_0000000000000000000001", ""), &none, 404);
    world.check("revokeTokens", WHOLE, &json!({ "all": true }), 204);
    world.check("revokeTokens", WHOLE, &json!({}), 400);
    world.check("revokeTokens", WHOLE, &json!({ "token": "x" }), 404);
    world.check("revokeTokens", WHOLE, &json!({ "client": "client_0000000000000000000001" }), 404);
}

fn users_answer_as_described(world: &mut World) {
    let none = Value::Null;
    let body = json!({ "username": "ana", "password": "correct horse", "email": "ana@example.com",
        "roles": ["billing"], "profile": { "locale": "de" } });
    let id = text(&world.check("createUser", WHOLE, &body, 201), "id");
    world.check("createUser", WHOLE, &body, 409);
    world.check("createUser", WHOLE, &json!({ "username": "" }), 400);
    world.check("listUsers", ("", "?limit=1"), &none, 200);
    world.check("showUser", (&id, ""), &none, 200);
    world.check("showUser", ("user_0000000000000000000001", ""), &none, 404);
    world.check("updateUser", (&id, ""), &json!({ "name": "Ana", "email": null }), 200);
    world.check("setRolesOfUser", (&id, ""), &json!({ "roles": ["admin"] }), 200);
    world.check("resetUser", (&id, ""), &json!({ "password": "battery staple" }), 200);
    world.check("disableUser", (&id, ""), &none, 200);
    world.check("enableUser", (&id, ""), &none, 200);
    world.check("disableUser", (&id, ""), &none, 200);
    world.check("deleteUser", (&id, ""), &none, 204);
    world.check("listGrants", ("", "?limit=1"), &none, 200);
    world.check("listGrants", ("", "?client=x"), &none, 400);
    world.check("revokeGrant", ("grt_0000000000000000000001", ""), &none, 404);
    world.check("readUserInfo", WHOLE, &none, 401);
    world.check("readUserInfoByForm", WHOLE, &none, 401);
}

fn pages_answer_as_described(world: &mut World) {
    let none = Value::Null;
    world.check("showSignIn", WHOLE, &none, 200);
    world.check("signOut", WHOLE, &none, 200);
    world.check("authorize", WHOLE, &none, 400);
    for id in ["signIn", "decideConsent", "decideSignOut", "authorizeByForm"] {
        world.check(id, WHOLE, &none, 400);
    }
}

#[test]
fn safety_13_every_endpoint_that_wants_a_scope_is_refused_without_it() {
    let place = Ground::new();
    let world = World::new(place.up("data", &[]));
    let scopes: BTreeSet<_> = world
        .operations()
        .into_iter()
        .filter_map(|one| one.scope)
        .filter(|scope| !scope.is_empty())
        .collect();
    let key = |scopes: Vec<&String>| {
        let body = json!({ "name": "m", "scopes": scopes });
        text(&world.server.manage("POST", "/v1/management-keys", &body).json(), "key")
    };
    for operation in world.operations() {
        let Some(scope) = &operation.scope else { continue };
        let path = operation.path.replace("{id}", "x");
        let unknown = world.send(&operation, &path, None, &Value::Null);
        assert_eq!(unknown.status, 401, "{}", operation.id);
        world.compare(&operation, &unknown);
        if scope.is_empty() {
            continue;
        }
        let others = key(scopes.iter().filter(|one| *one != scope).collect());
        let without = world.send(&operation, &path, Some(&others), &Value::Null);
        assert_eq!(without.status, 403, "{}: {without:?}", operation.id);
        world.compare(&operation, &without);
        let with = world.send(&operation, &format!("{path}?unknown"), Some(&key(vec![scope])), &Value::Null);
        assert_eq!(with.status, 400, "{}: {with:?}", operation.id);
        world.compare(&operation, &with);
    }
}

#[test]
fn rfc9110_9_3_2_an_answer_to_head_has_no_content_and_the_length_of_that_to_get() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for (listener, path) in [
        ("issuer", "/"),
        ("issuer", "/pki/ca.pem"),
        ("admin", "/healthz"),
        ("gateway", "/.countersign/health"),
    ] {
        let address = server.address(listener);
        let whole = get(&address, path, "");
        let head =
            raw(&address, &format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string()), "{path}");
        assert_eq!(head.header("content-type"), whole.header("content-type"), "{path}");
    }
}
