//! Every page, as text; and with markup in every field.

use std::time::Duration;

use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;

use super::account::{
    AppRow, Apps, Around, ChangePassword, ClientRow, Clients, Identities, IdentityRow, KeyOffer, KeyRow,
    Keys, SessionRow, Sessions, ShownOnce, Tab,
};
use super::consent::{AskedScope, Consent};
use super::device::{Confirm, Enter, WrongCode};
use super::form_post::FormPost;
use super::language::Locale;
use super::mail::{ResetAsk, ResetChoose, VerifyEmail};
use super::notice::{Notice, NoticeKind};
use super::problem::{Problem, ProblemKind};
use super::sign_in::{Elsewhere, SignIn, Wrong};
use super::sign_out::SignOut;
use super::{Bound, Page};

/// Renders every page with `text` in every field.
fn every(locale: Locale, text: &str) -> Vec<(&'static str, String)> {
    let bound = || Bound { token: text.to_owned(), request: text };
    let scopes = [
        AskedScope { name: "openid", words: None, required: true },
        AskedScope { name: text, words: Some(text), required: false },
        AskedScope { name: text, words: None, required: false },
    ];
    let redirect = Some(text);
    let elsewhere = [Elsewhere { name: text.to_owned(), title: text.to_owned(), place: text.to_owned() }];
    let sign_in = |wrong| SignIn {
        locale,
        bound: bound(),
        client: Some(text),
        redirect,
        username: text,
        wrong,
        forgotten: true,
        elsewhere: &elsewhere,
    };
    let page = |page: &dyn std::fmt::Display| page.to_string();
    let mut pages = vec![
        ("sign-in", page(&sign_in(None))),
        ("sign-in-wrong", page(&sign_in(Some(Wrong::Credentials)))),
        ("sign-in-throttled", page(&sign_in(Some(Wrong::Throttled(Duration::from_secs(30)))))),
        (
            "consent",
            page(&Consent {
                locale,
                bound: bound(),
                client: text,
                redirect,
                is_unchecked: true,
                user: text,
                scopes: &scopes,
                lasting: true,
            }),
        ),
        (
            "device-enter",
            page(&Enter { locale, bound: bound(), code: text, wrong: Some(WrongCode::Unknown) }),
        ),
        (
            "device-confirm",
            page(&Confirm {
                locale,
                bound: bound(),
                client: text,
                user: text,
                code: text,
                address: Some(text),
                minutes: 2,
                scopes: &scopes,
                lasting: false,
            }),
        ),
        ("sign-out", page(&SignOut { locale, bound: bound(), user: text, client: Some(text), redirect })),
        ("notice", page(&Notice { locale, kind: NoticeKind::SignedOut })),
        (
            "problem",
            page(&Problem {
                locale,
                kind: ProblemKind::Request,
                status: http::StatusCode::BAD_REQUEST,
                code: text,
                detail: text,
                reference: text,
                again: Some(text),
            }),
        ),
        ("form-post", page(&FormPost { locale, action: text, fields: &[(text, text.to_owned())] })),
        ("reset-ask", page(&ResetAsk { locale, bound: bound() })),
        ("reset-choose", page(&ResetChoose { locale, bound: bound(), token: text, least: 12, weak: true })),
        ("verify-email", page(&VerifyEmail { locale, bound: bound(), token: text, email: text })),
    ];
    pages.extend(of_account(locale, text));
    pages
}

/// Renders every page of the account likewise.
fn of_account(locale: Locale, text: &str) -> Vec<(&'static str, String)> {
    let password = ChangePassword {
        locale,
        around: around(text, Tab::Password),
        least: 12,
        wrong: Some(text.to_owned()),
    };
    vec![
        ("account-sessions", sessions(locale, text).to_string()),
        ("account-apps", apps(locale, text).to_string()),
        ("account-keys", keys(locale, text).to_string()),
        ("account-clients", clients(locale, text).to_string()),
        ("account-identities", identities(locale, text, &[elsewhere(text)]).to_string()),
        ("account-secret", secret(locale, text, &Secret::new(text.to_owned())).to_string()),
        ("account-password", password.to_string()),
    ]
}

fn around(text: &str, tab: Tab) -> Around<'_> {
    Around {
        bound: Bound { token: text.to_owned(), request: text },
        user: text,
        tab,
        tabs: Tab::ALL.to_vec(),
    }
}

fn sessions(locale: Locale, text: &str) -> Sessions<'_> {
    let row = |id: &str, app: Option<&str>, browser: Option<&str>| SessionRow {
        id: id.to_owned(),
        app: app.map(str::to_owned),
        browser: browser.map(str::to_owned),
        address: Some(text.to_owned()),
        is_this: app.is_none(),
        began_at: Timestamp::from_millis(1_764_583_380_123),
        seen_at: Timestamp::from_millis(1_764_583_980_123),
    };
    Sessions {
        locale,
        around: around(text, Tab::Sessions),
        sign_ins: vec![row("session_1", None, Some(text))],
        more_sign_ins: Some(text.to_owned()),
        web_sessions: vec![row("fam_1", Some(text), None)],
        more_web_sessions: Some(text.to_owned()),
    }
}

fn apps(locale: Locale, text: &str) -> Apps<'_> {
    let scopes = vec![
        AskedScope { name: "openid", words: None, required: false },
        AskedScope { name: text, words: Some(text), required: false },
    ];
    let since = Timestamp::from_millis(1_764_583_380_123);
    let app = AppRow { id: "grt_1".to_owned(), name: text.to_owned(), is_own: true, since, scopes };
    let more = Some(text.to_owned());
    Apps { locale, around: around(text, Tab::Apps), apps: vec![app], more }
}

fn keys(locale: Locale, text: &str) -> Keys<'_> {
    let since = Timestamp::from_millis(1_764_583_380_123);
    let key = |is_live| KeyRow {
        id: format!("key_{}", u8::from(is_live)),
        name: text.to_owned(),
        hint: text.to_owned(),
        scopes: text.to_owned(),
        since,
        ends: Some(since),
        used: Some(since),
        is_live,
    };
    let scopes = vec![AskedScope { name: text, words: Some(text), required: false }];
    Keys {
        locale,
        around: around(text, Tab::Keys),
        keys: vec![key(true), key(false)],
        more: Some(text.to_owned()),
        offer: Some(KeyOffer { scopes, days: vec![1, 30] }),
        once: text.to_owned(),
        wrong: Some(text.to_owned()),
    }
}

fn clients(locale: Locale, text: &str) -> Clients<'_> {
    let client = |is_live| ClientRow {
        id: format!("client_{}", u8::from(is_live)),
        name: text.to_owned(),
        redirect_uris: text.to_owned(),
        scopes: text.to_owned(),
        has_secret: true,
        is_live,
    };
    Clients {
        locale,
        around: around(text, Tab::Clients),
        clients: vec![client(true), client(false)],
        more: Some(text.to_owned()),
        offer: Some(vec![AskedScope { name: text, words: None, required: false }]),
        once: text.to_owned(),
        wrong: Some(text.to_owned()),
    }
}

fn elsewhere(text: &str) -> Elsewhere {
    Elsewhere { name: "corp".to_owned(), title: text.to_owned(), place: text.to_owned() }
}

fn identities<'a>(locale: Locale, text: &'a str, elsewhere: &'a [Elsewhere]) -> Identities<'a> {
    let one = IdentityRow {
        title: text.to_owned(),
        issuer: text.to_owned(),
        subject: text.to_owned(),
        shown: text.to_owned(),
        since: Timestamp::from_millis(1_764_583_380_123),
    };
    let around = around(text, Tab::Identities);
    Identities { locale, around, identities: vec![one], elsewhere, wrong: Some("identity-last") }
}

fn secret<'a>(locale: Locale, text: &'a str, secret: &'a Secret<String>) -> ShownOnce<'a> {
    ShownOnce {
        locale,
        around: around(text, Tab::Clients),
        name: text,
        client_id: Some(text.to_owned()),
        secret: Some(secret),
        words: "client-made",
    }
}

/// Returns what is left of a page when its texts are taken away: its tags and their attributes, without values.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for tag in html.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag that ends");
        let names: Vec<_> = tag.split('"').step_by(2).map(str::trim).collect();
        tags.push(names.join(" "));
    }
    tags
}

#[test]
fn reflected_text_never_becomes_markup() {
    for tag in ["en", "de"] {
        let locale = Locale::negotiate(Some(tag), None);
        let plain = every(locale, "text");
        for attack in [
            "<script>alert(1)</script>",
            "\" autofocus onfocus=\"alert(1)",
            "' onmouseover='alert(1)",
            "</title><img src=x onerror=alert(1)>",
            "--><svg onload=alert(1)>",
            "{{ 7 * 7 }}{ $client }",
            "&lt;script&gt;&#60;b&#62;",
        ] {
            for ((name, harmless), (_, attacked)) in plain.iter().zip(every(locale, attack)) {
                assert_eq!(skeleton(harmless), skeleton(&attacked), "{name}: {attack}");
            }
        }
    }
}

#[test]
fn no_template_leaves_escaping_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for forbidden in ["|safe", "| safe", "escape", "style=", "javascript:", "onclick"] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
        }
    }
}

#[test]
fn every_page_has_a_language_a_title_one_heading_and_labels() {
    for (name, html) in every(Locale::negotiate(Some("de"), None), "text") {
        assert!(html.starts_with("<!doctype html>\n<html lang=\"de\">"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        assert_eq!(html.matches("<title>").count(), 1, "{name}");
        for input in html.split("<input ").skip(1).filter(|input| !input.starts_with("type=\"hidden\"")) {
            let id = input.split_once("id=\"").unwrap().1.split_once('"').unwrap().0;
            assert!(html.contains(&format!("<label for=\"{id}\">")), "{name}: {id}");
        }
        for described in html.split("aria-describedby=\"").skip(1) {
            for id in described.split_once('"').unwrap().0.split(' ') {
                assert!(html.contains(&format!("id=\"{id}\"")), "{name}: {id}");
            }
        }
    }
}

#[test]
fn product_5_names_of_fields_and_buttons_are_stable() {
    let pages = every(Locale::negotiate(None, None), "text");
    for (name, stable) in [
        (
            "sign-in",
            &[
                "name=\"username\"",
                "name=\"password\"",
                "id=\"sign-in\"",
                "name=\"request\"",
                "name=\"csrf\"",
            ][..],
        ),
        (
            "consent",
            &[
                "name=\"scope\"",
                "id=\"allow\"",
                "id=\"deny\"",
                "name=\"decision\" value=\"allow\"",
                "id=\"other-account\"",
                "name=\"decision\" value=\"other\"",
            ],
        ),
        ("device-enter", &["name=\"user_code\"", "id=\"continue\""]),
        (
            "device-confirm",
            &["name=\"user_code\"", "id=\"allow\"", "id=\"deny\"", "name=\"scope\"", "id=\"other-account\""],
        ),
        ("sign-out", &["id=\"sign-out\""]),
        ("form-post", &["id=\"continue\""]),
        ("reset-ask", &["name=\"username\"", "id=\"reset\""]),
        (
            "account-sessions",
            &[
                "id=\"sign-out\"",
                "id=\"everywhere\"",
                "name=\"action\" value=\"end-session\"",
                "name=\"action\" value=\"end-web-session\"",
                "name=\"id\"",
            ],
        ),
        ("account-apps", &["name=\"action\" value=\"remove\"", "name=\"id\""]),
        ("account-password", &["name=\"password\"", "name=\"new_password\"", "id=\"change\""]),
        ("reset-choose", &["name=\"password\"", "id=\"reset\"", "name=\"token\""]),
    ] {
        let (_, html) = pages.iter().find(|(one, _)| *one == name).unwrap();
        for text in stable {
            assert!(html.contains(text), "{name}: {text}");
        }
    }
}

/// Compares each page with what is kept of it. With `UPDATE_PAGES` set, keeps what it is now.
#[test]
fn every_page_reads_as_it_is_kept() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages/kept");
    for (name, html) in every(Locale::negotiate(None, None), "https://app.example/cb") {
        let path = format!("{folder}/{name}.html");
        #[expect(clippy::disallowed_methods, reason = "how a test is told to keep what it sees")]
        if std::env::var_os("UPDATE_PAGES").is_some() {
            std::fs::write(&path, &html).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), html, "{name}");
    }
}

#[test]
fn open_redirect_a_request_goes_on_to_our_own_pages_alone() {
    for (request, expected) in [
        ("device", "/device"),
        ("device?user_code=BCDF-GHJK", "/device?user_code=BCDF-GHJK"),
        ("account", "/account"),
        ("account/apps", "/account/apps"),
        ("account/..//evil.example", "/oauth/authorize?account/..//evil.example"),
        ("client_id=a", "/oauth/authorize?client_id=a"),
        ("//evil.example", "/oauth/authorize?//evil.example"),
        ("https://evil.example", "/oauth/authorize?https://evil.example"),
        ("device/../evil", "/oauth/authorize?device/../evil"),
        ("device.evil.example", "/oauth/authorize?device.evil.example"),
        ("/evil.example", "/oauth/authorize?/evil.example"),
        ("\\evil.example", "/oauth/authorize?\\evil.example"),
        ("", "/oauth/authorize?"),
    ] {
        assert_eq!(super::onward(request), expected);
    }
}

#[test]
fn csp3_6_4_1_only_a_page_that_leads_to_a_client_lets_its_form_go_there() {
    let locale = Locale::negotiate(None, None);
    let bound = || Bound { token: String::new(), request: "" };
    let sign_in = |redirect| SignIn {
        locale,
        bound: bound(),
        client: None,
        redirect,
        username: "",
        wrong: None,
        forgotten: false,
        elsewhere: &[],
    };
    #[track_caller]
    fn check(page: &impl Page, sources: &str) {
        let response = page.reply().into_response();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.ends_with(&format!("frame-ancestors 'none'; form-action {sources}")), "{policy}");
    }
    check(&sign_in(None), "'self'");
    check(&sign_in(Some("https://app.example/cb")), "'self' https:");
    check(&sign_in(Some("com.example.app:/cb")), "'self' https: com.example.app:");
    check(&Enter { locale, bound: bound(), code: "", wrong: None }, "'self'");
    check(&Notice { locale, kind: NoticeKind::ResetSent }, "'self'");
}
