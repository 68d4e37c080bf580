//! What the issuer says of the flow that people take part in.

use std::collections::BTreeSet;

use countersign_jose::base64url;
use serde_json::{Value, json};

use super::{World, texts};
use crate::harness::{Answer, get};
use crate::people::{ALL, answer, text};

/// What the app is registered with.
pub(super) fn about() -> Value {
    json!({ "post_logout_redirect_uris": ["https://app.example/out"] })
}

impl World {
    /// Sends the browser to the app's request with these changes.
    fn visit(&self, changes: &[(&str, &str)]) -> Answer {
        let mut people = self.people.borrow_mut();
        let request = people.request(changes);
        people.browser.get(&request)
    }

    fn error(&self, changes: &[(&str, &str)]) -> String {
        answer(&self.visit(changes)).remove("error").unwrap_or_default()
    }

    fn tokens(&self, changes: &[(&str, &str)]) -> Value {
        let mut people = self.people.borrow_mut();
        let request = people.request(changes);
        let code = people.allow(&request).remove("code").unwrap();
        people.redeem(&code).json()
    }
}

/// What the app is told by way of the browser, if that is an error.
fn error(page: &Answer) -> Option<String> {
    (page.status == 303).then(|| answer(page).remove("error")).flatten()
}

pub(super) fn authorization_endpoint(world: &World, value: &Value) {
    assert!(world.people.borrow().request(&[]).starts_with(&format!("{}?", world.path(value))));
    assert!([200, 303].contains(&world.visit(&[]).status), "asked, or known already");
    assert_eq!(get(&world.server.address("issuer"), &world.path(value), "").status, 400);
}

pub(super) fn iss(world: &World, value: &Value) {
    assert_eq!(value, &json!(true));
    let issuer = world.people.borrow().server.card["issuer"].as_str().unwrap().to_owned();
    assert_eq!(answer(&world.visit(&[("response_type", "token")]))["iss"], issuer, "RFC 9207 §2");
}

pub(super) fn response_types(world: &World, value: &Value) {
    for kind in ["code", "token", "id_token", "none", "code token", "code id_token", "id_token token"] {
        let page = world.visit(&[("response_type", kind)]);
        let refused = error(&page).as_deref() == Some("unsupported_response_type");
        assert_eq!(!refused, texts(value).contains(&kind), "{kind}: {page:?}");
    }
}

pub(super) fn response_modes(world: &World, value: &Value) {
    for mode in ["query", "form_post", "fragment", "query.jwt", "form_post.jwt", "web_message"] {
        let page = world.visit(&[("response_mode", mode)]);
        let refused = error(&page).as_deref() == Some("invalid_request");
        assert_eq!(!refused, texts(value).contains(&mode), "{mode}: {page:?}");
    }
}

pub(super) fn challenge_methods(world: &World, value: &Value) {
    for method in ["S256", "plain", "S512"] {
        let page = world.visit(&[("code_challenge_method", method)]);
        let refused = error(&page).is_some();
        assert_eq!(!refused, texts(value).contains(&method), "{method}: {page:?}");
    }
}

pub(super) fn prompts(world: &World, value: &Value) {
    for prompt in ["none", "login", "consent", "select_account", "create"] {
        let page = world.visit(&[("prompt", prompt)]);
        let refused =
            page.status == 303 && answer(&page).get("error").is_some_and(|one| one == "invalid_request");
        assert_eq!(!refused, texts(value).contains(&prompt), "{prompt}: {page:?}");
    }
}

pub(super) fn contexts(world: &World, value: &Value) {
    assert!(!texts(value).is_empty());
    for acr in [texts(value), vec!["phr", "phrh", "0", "urn:mace:incommon:iap:silver"]].concat() {
        let essential = json!({ "id_token": { "acr": { "essential": true, "value": acr } } }).to_string();
        if !texts(value).contains(&acr) {
            let refused = world.error(&[("claims", &essential)]);
            assert_eq!(refused, "unmet_authentication_requirements", "{acr}");
            continue;
        }
        let asks: [&[(&str, &str)]; 3] =
            [&[("claims", &essential)], &[("acr_values", acr)], &[("acr_values", "phr")]];
        for changes in asks {
            let tokens = world.tokens(changes);
            assert_eq!(
                super::claims(&text(&tokens, "id_token"))["acr"],
                acr,
                "{changes:?}: what it is, not what is wished"
            );
            assert_eq!(super::claims(&text(&tokens, "access_token"))["acr"], acr, "RFC 9470 §6.1");
        }
    }
}

pub(super) fn refused(world: &World, value: &Value, parameter: &str) {
    assert_eq!(value, &json!(false), "OpenID Connect Discovery 1.0 §3");
    assert_eq!(world.error(&[(parameter, "x")]), format!("{parameter}_not_supported"));
}

pub(super) fn subject_types(world: &World, value: &Value) {
    assert_eq!(value, &json!(["public"]));
    let id_token = super::claims(&text(&world.tokens(&[]), "id_token"));
    assert_eq!(id_token["sub"], world.people.borrow().person, "the same for every client");
}

pub(super) fn id_token_algorithms(world: &World, value: &Value) {
    for algorithm in ["RS256", "ES256", "PS256", "EdDSA", "HS256", "none", "ES384"] {
        let id = world.people.borrow().app.id.clone();
        let body = json!({ "id_token_signed_response_alg": algorithm });
        let set = world.people.borrow().server.manage("PATCH", &format!("/v1/clients/{id}"), &body);
        assert_eq!(set.status == 200, texts(value).contains(&algorithm), "{algorithm}: {set:?}");
        if set.status == 200 {
            let id_token = text(&world.tokens(&[]), "id_token");
            let header = base64url::decode(id_token.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["alg"], algorithm);
        }
    }
}

pub(super) fn userinfo(world: &World, value: &Value) {
    let token = text(&world.tokens(&[]), "access_token");
    let people = world.people.borrow();
    let field = format!("Authorization: Bearer {token}\r\n");
    let told = get(&people.server.address("issuer"), &world.path(value), &field);
    assert_eq!((told.status, &told.json()["sub"]), (200, &json!(people.person)));
}

pub(super) fn end_session(world: &World, value: &Value) {
    world.tokens(&[]);
    let page = world.people.borrow_mut().browser.get(&world.path(value));
    assert!(page.status == 200 && page.body.contains("id=\"sign-out\""), "{page:?}");
}

pub(super) fn languages(world: &World, value: &Value) {
    for tag in ["en", "de", "fr", "ja"] {
        let page = world.visit(&[("ui_locales", tag), ("prompt", "login")]);
        let spoken = page.body.contains(&format!("lang=\"{tag}\""));
        assert_eq!(spoken, texts(value).contains(&tag), "{tag}");
    }
}

pub(super) fn scopes(world: &World) -> Vec<String> {
    let granted = text(&world.tokens(&[("scope", "openid profile email offline_access")]), "scope");
    granted.split(' ').map(str::to_owned).collect()
}

pub(super) fn claims_parameter(world: &World, value: &Value) {
    assert_eq!(value, &json!(true));
    let asked = [("claims", r#"{"id_token":{"preferred_username":null}}"#)];
    let id_token = super::claims(&text(&world.tokens(&asked), "id_token"));
    assert_eq!(id_token["preferred_username"], "ana", "OpenID Connect Core 1.0 §5.5");
    let plain = super::claims(&text(&world.tokens(&[]), "id_token"));
    assert_eq!(plain["preferred_username"], Value::Null, "§5.4: told by userinfo");
}

pub(super) fn claims(world: &World, value: &Value) {
    let profile: serde_json::Map<String, Value> = [
        "birthdate",
        "family_name",
        "gender",
        "given_name",
        "locale",
        "middle_name",
        "nickname",
        "picture",
        "profile",
        "website",
        "zoneinfo",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), json!("x")))
    .collect();
    let person = world.people.borrow().person.clone();
    let body = json!({ "email": "ana@example.com", "profile": profile });
    let set = world.people.borrow().server.manage("PATCH", &format!("/v1/users/{person}"), &body);
    assert_eq!(set.status, 200, "{set:?}");
    let tokens = world.tokens(&[("scope", ALL)]);
    let field = format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token"));
    let told = get(&world.people.borrow().server.address("issuer"), "/oauth/userinfo", &field).json();
    let of_token = super::claims(&text(&tokens, "id_token"));
    let told: BTreeSet<_> =
        [told, of_token].iter().flat_map(|one| one.as_object().unwrap().keys().cloned()).collect();
    let listed: BTreeSet<_> = texts(value).into_iter().map(str::to_owned).collect();
    assert_eq!(told, listed, "what is told, and what is said of it");
}
