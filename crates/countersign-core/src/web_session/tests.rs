//! What routes may ask of sessions, as tables. What begins, renews and ends one: see the tables of issuing.

use serde_json::{Value, json};

use super::KIND;
use crate::client::{Disagree, wanted};
use crate::web_app::Keeps;

fn read(settings: Value) -> Result<crate::decision::Condition, String> {
    let Value::Object(settings) = settings else { panic!("a table") };
    KIND.condition(&settings).map_err(|error| error.to_string())
}

#[test]
fn a_condition_names_a_web_app_and_what_browsers_keep() {
    for (settings, expected) in [
        (json!({ "client": "web" }), Ok(("web", Keeps::Opaque, None))),
        (json!({ "client": "web", "token": "jwt" }), Ok(("web", Keeps::Jwt, None))),
        (
            json!({ "client": "a-1", "token": "opaque", "audience": "https://api.example.com" }),
            Ok(("a-1", Keeps::Opaque, Some("https://api.example.com"))),
        ),
        (json!({}), Err("session.client: expected the name of a web app, such as `web`")),
        (
            json!({ "client": "Web" }),
            Err("session.client: expected 1 to 32 small letters, digits and dashes"),
        ),
        (json!({ "client": "" }), Err("session.client: expected 1 to 32 small letters, digits and dashes")),
        (json!({ "client": "web", "token": "cookie" }), Err("session.token: expected opaque or jwt")),
        (json!({ "client": "web", "claims": 1 }), Err("session.claims: expected a table of values")),
        (json!({ "client": "web", "tokens": "jwt" }), Err("session.tokens: there is no such setting")),
    ] {
        let text = settings.to_string();
        let read = read(settings);
        let app = read.as_ref().map(|condition| {
            let app = condition.web_app().unwrap();
            (app.name.as_str(), app.keeps, app.audience.as_deref())
        });
        assert_eq!(app.map_err(String::as_str), expected, "{text}");
    }
}

#[test]
fn what_routes_ask_of_a_web_app_is_asked_together() {
    let conditions = [
        read(json!({ "client": "web", "scope": "orders:read" })).unwrap(),
        read(json!({ "client": "admin" })).unwrap(),
        read(json!({ "client": "web", "scope": "orders:write orders:read" })).unwrap(),
    ];
    let all = wanted(&conditions).unwrap();
    let told = all.iter().map(|one| {
        let scopes: Vec<_> = one.scopes.iter().map(|scope| scope.as_str()).collect();
        (one.app.name.as_str(), scopes.join(" "))
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [("web", "orders:read orders:write".to_owned()), ("admin", String::new())]);
    let other = read(json!({ "client": "web", "token": "jwt" })).unwrap();
    assert_eq!(wanted(conditions.iter().chain([&other])), Err(Disagree("web".parse().unwrap())));
}

#[test]
fn a_web_app_is_the_same_client_in_every_installation() {
    let id = |name: &str| name.parse::<crate::web_app::WebAppName>().unwrap().client().to_string();
    assert_eq!(id("web"), id("web"));
    assert!(id("web").starts_with("client_") && id("web") != id("web-1"));
}
