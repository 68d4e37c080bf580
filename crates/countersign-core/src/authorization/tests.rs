//! What a request has to be, and what becomes of it, as tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Addressed, AuthorizationError, Authorize, CHECKS, Checked, Next, Refused, Request, Response,
    ResponseMode, Said, SignedIn, Unanswerable, addressed, check, next,
};
use crate::authorization_code::KIND;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::id::{CredentialId, IdPrefix, OwnerKind};
use crate::question::Holder;
use crate::record::OwnerRecord;
use crate::resource::{Declared, Resource, Resources, SigningAlgorithm};
use crate::secret::Secret;
use crate::tally::Tally;
use crate::testing::{Ground, ISSUER, NOW};

const CALLBACK: &str = "https://app.example/cb";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const API: &str = "https://api.example.com";

struct World {
    ground: Ground,
    resources: Resources,
    client: OwnerRecord,
    person: OwnerRecord,
}

fn terms() -> ClientTerms {
    ClientTerms {
        grants: [GrantType::AuthorizationCode].into(),
        scopes: "orders:read settle".parse().unwrap(),
        redirect_uris: vec![CALLBACK.parse().unwrap()],
        ..ClientTerms::default()
    }
}

impl World {
    fn new(terms: ClientTerms) -> Self {
        let mut ground = Ground::new();
        let (client, _) = ground.client(terms);
        let organisation = ground.organisation.clone();
        let person = ground.member(OwnerKind::User, &organisation);
        let resources = Resources::default();
        let resource = Resource::any(API.parse().unwrap(), SigningAlgorithm::Es256);
        resources.declare(Declared { default: Some(Arc::new(resource)), named: Vec::new() });
        Self { ground, resources, client, person }
    }

    /// A good request with these changes; an empty value takes a parameter away.
    fn request(&self, changes: &[(&str, &str)]) -> Request {
        let client = self.client.id.to_string();
        let good = [
            ("client_id", client.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid orders:read"),
            ("state", "a b&c"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let pairs = kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Request::new(pairs)
    }

    fn holder(&self) -> Option<Holder> {
        let tables = self.ground.store.tables();
        let owner = tables.owners.get(&self.client.id)?.clone();
        let organisation = tables.owners.get(&owner.organisation).cloned();
        Some(Holder { owner, organisation, tally: Tally::default() })
    }

    fn addressed(&self, changes: &[(&str, &str)]) -> Result<Addressed, Unanswerable> {
        let request = self.request(changes);
        request.client()?;
        addressed(&request, self.holder())
    }

    fn check(&self, changes: &[(&str, &str)]) -> Result<Checked, AuthorizationError> {
        check(&self.request(changes), self.addressed(changes).unwrap(), &self.resources)
    }

    fn signed_in(&mut self) -> SignedIn {
        SignedIn {
            session: CredentialId::random(IdPrefix::new("ses"), &mut self.ground.entropy),
            person: self.ground.store.snapshot().owner(self.person.id).unwrap(),
            auth_time: NOW,
            is_undated: false,
            amr: vec!["pwd".to_owned()],
        }
    }

    /// Decides on what a person says; what was granted.
    fn decide(&mut self, changes: &[(&str, &str)], said: Said) -> Result<String, Refused> {
        let checked = self.check(changes).unwrap();
        let by = self.signed_in();
        let client = self.ground.store.snapshot().owner(self.client.id).unwrap();
        let client_hash = checked.addressed.terms.consent_hash(&checked.addressed.holder.owner.name);
        let act = Authorize { checked: &checked, said, client: &client, incarnation: 0, client_hash };
        self.ground.perform(&by, &act).map(|granted| granted.scopes.to_string())
    }

    fn codes(&self) -> usize {
        self.ground.store.tables().artifacts.iter().filter(|one| one.kind == KIND).count()
    }
}

#[test]
fn attacks_1_to_8_nobody_is_sent_anywhere_while_client_and_redirect_are_not_proven() {
    let world = World::new(terms());
    let stranger = crate::id::OwnerId::random(OwnerKind::Client, &mut world.ground.entropy.clone());
    let (stranger, user) = (stranger.to_string(), world.person.id.to_string());
    let twice = [("redirect_uri", CALLBACK), ("redirect_uri", "https://evil.example/")];
    for (changes, expected) in [
        (&[][..], None),
        (&[("redirect_uri", "")], None),
        (&[("response_type", "token")], None),
        (&[("client_id", "")], Some(Unanswerable::Malformed)),
        (&[("client_id", "x")], Some(Unanswerable::UnknownClient)),
        (&[("client_id", user.as_str())], Some(Unanswerable::UnknownClient)),
        (&[("redirect_uri", "https://app.example/cb/")], Some(Unanswerable::RedirectUri)),
        (&[("redirect_uri", "https://app.example/cb?x=1")], Some(Unanswerable::RedirectUri)),
        (&[("redirect_uri", "https://APP.example/cb")], Some(Unanswerable::RedirectUri)),
        (&[("redirect_uri", "https://app.example/x/../cb")], Some(Unanswerable::RedirectUri)),
        (&[("redirect_uri", "https://app.example@evil.example/cb")], Some(Unanswerable::RedirectUri)),
        (&[("redirect_uri", "javascript:alert(1)")], Some(Unanswerable::RedirectUri)),
        (&twice, Some(Unanswerable::Malformed)),
    ] {
        assert_eq!(world.addressed(changes).err(), expected, "{changes:?}");
    }
    let request = world.request(&[("client_id", &stranger)]);
    assert_eq!(addressed(&request, None).err(), Some(Unanswerable::UnknownClient));
    let many = ClientTerms {
        redirect_uris: [CALLBACK, "https://b.example/"].map(|one| one.parse().unwrap()).into(),
        ..terms()
    };
    let world = World::new(many);
    assert_eq!(world.addressed(&[("redirect_uri", "")]).err(), Some(Unanswerable::Malformed), "not guessed");
    for disable in [|world: &World| world.client.clone(), |world: &World| world.ground.organisation.clone()] {
        let mut world = World::new(terms());
        let owner = disable(&world);
        world.ground.disable(&owner);
        assert_eq!(world.addressed(&[]).err(), Some(Unanswerable::UnknownClient));
    }
}

#[test]
fn rfc6749_4_1_2_1_each_row_of_the_table_refuses_what_it_says() {
    let long = "x".repeat(2049);
    let rows: [(&[(&str, &str)], &str); 41] = [
        (&[], ""),
        (&[("scope", "")], ""),
        (&[("state", "")], ""),
        (&[("unknown", "x"), ("unknown_too", "")], ""),
        (&[("response_mode", "form_post")], ""),
        (&[("resource", API)], ""),
        (&[("audience", API), ("resource", API)], ""),
        (&[("prompt", "login consent"), ("max_age", "0")], ""),
        (&[("scope", "openid profile email offline_access settle")], ""),
        (&[("state", "1"), ("state", "2")], "invalid_request"),
        (&[("x", "1"), ("x", "1")], "invalid_request"),
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code token")], "unsupported_response_type"),
        (&[("response_type", "id_token")], "unsupported_response_type"),
        (&[("response_type", "CODE")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("response_mode", "web_message")], "invalid_request"),
        (&[("request", "e30.e30.")], "request_not_supported"),
        (&[("request_uri", "https://app.example/r")], "request_uri_not_supported"),
        (&[("registration", "{}")], "registration_not_supported"),
        // Attacks 22 to 24.
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "s256")], "invalid_request"),
        (&[("code_challenge_method", "S256 ")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (&[("state", &long)], "invalid_request"),
        (&[("nonce", &long)], "invalid_request"),
        (&[("resource", "https://evil.example")], "invalid_target"),
        (&[("scope", "openid admin")], "invalid_scope"),
        (&[("scope", "openid \u{7}")], "invalid_scope"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "create")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("claims", "[]")], "invalid_request"),
        (&[("acr_values", "phr 0")], ""),
        (&[("claims", r#"{"id_token":{"acr":{"values":["phr"]}}}"#)], ""),
        (
            &[(
                "claims",
                r#"{"id_token":{"acr":{"essential":true,"values":["phr","urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"]}}}"#,
            )],
            "",
        ),
        (
            &[("claims", r#"{"id_token":{"acr":{"essential":true,"value":"phr"}}}"#)],
            "unmet_authentication_requirements",
        ),
    ];
    let world = World::new(terms());
    for (changes, expected) in rows {
        let refused = world.check(changes).err().map_or("", AuthorizationError::code);
        assert_eq!(refused, expected, "{changes:?}");
    }
    let names: BTreeSet<_> = CHECKS.iter().map(|row| row.parameter).collect();
    assert_eq!(names.len(), CHECKS.len(), "each parameter has one row");
    assert!(CHECKS.iter().all(|row| !row.clause.is_empty()));
    let machine = World::new(ClientTerms { grants: [GrantType::ClientCredentials].into(), ..terms() });
    assert_eq!(machine.check(&[]).err(), Some(AuthorizationError::UnauthorizedClient));
}

#[test]
fn rfc7636_4_4_1_only_a_client_that_proves_itself_may_need_no_challenge() {
    let none = &[("code_challenge", ""), ("code_challenge_method", "")];
    for (require_pkce, auth_method, may) in [
        (true, AuthMethod::ClientSecret, false),
        (false, AuthMethod::ClientSecret, true),
        (false, AuthMethod::PrivateKeyJwt, true),
        (false, AuthMethod::None, false),
        (true, AuthMethod::None, false),
    ] {
        let world = World::new(ClientTerms { require_pkce, auth_method, ..terms() });
        assert_eq!(world.check(none).is_ok(), may, "{require_pkce} {auth_method:?}");
        assert!(world.check(&[]).is_ok());
        assert!(world.check(&[("code_challenge_method", "plain")]).is_err(), "never");
    }
}

#[test]
fn openid_core_3_1_2_3_who_signs_in_and_who_is_asked() {
    let mut world = World::new(terms());
    let signed_in = world.signed_in();
    let login = Next::Refuse(AuthorizationError::LoginRequired);
    for (changes, late, anonymous, known) in [
        (&[][..], 0, Next::SignIn, Next::Ask),
        (&[("prompt", "consent")], 0, Next::SignIn, Next::Ask),
        (&[("prompt", "login")], 0, Next::SignIn, Next::SignIn),
        (&[("prompt", "select_account")], 0, Next::SignIn, Next::SignIn),
        (&[("prompt", "none")], 0, login, Next::Ask),
        (&[("max_age", "60")], 60, Next::SignIn, Next::Ask),
        (&[("max_age", "60")], 61, Next::SignIn, Next::SignIn),
        (&[("max_age", "60"), ("prompt", "none")], 61, login, login),
        (&[("claims", r#"{"id_token":{"sub":{"value":"user_2"}}}"#)], 0, Next::SignIn, login),
    ] {
        let checked = world.check(changes).unwrap();
        let now = NOW.plus(Duration::from_secs(late));
        assert_eq!(next(now, &checked, None), anonymous, "{changes:?}");
        assert_eq!(next(now, &checked, Some(&signed_in)), known, "{changes:?}");
    }
    // A session that is not enough is no reason to refuse: to sign in again may do.
    let password = r#"{"id_token":{"acr":{"essential":true,"value":"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}}}"#;
    let checked = world.check(&[("claims", password)]).unwrap();
    let weaker = SignedIn { amr: vec!["otp".to_owned()], ..signed_in.clone() };
    assert_eq!(next(NOW, &checked, Some(&weaker)), Next::SignIn);
    assert_eq!(next(NOW, &checked, Some(&signed_in)), Next::Ask);
    let person = world.person.clone();
    world.ground.disable(&person);
    let disabled = world.signed_in();
    assert_eq!(next(NOW, &world.check(&[]).unwrap(), Some(&disabled)), Next::SignIn);
}

#[test]
fn after_signing_in_nobody_is_asked_to_once_more() {
    let world = World::new(terms());
    for (changes, left) in [
        (&[("prompt", "login"), ("max_age", "1")][..], None),
        (&[("prompt", "login consent")], Some("consent")),
        (&[("prompt", "select_account login")], None),
        (&[("prompt", "consent")], Some("consent")),
    ] {
        let after = world.request(changes).after_sign_in();
        assert_eq!((after.get("prompt"), after.has("max_age")), (left, false), "{changes:?}");
        assert_eq!(after.get("state"), Some("a b&c"), "the rest stays");
    }
}

#[test]
fn what_a_person_allows_is_what_is_granted_and_is_remembered() {
    let yes = |scopes: &str| Said::Yes(scopes.parse().unwrap());
    let mut world = World::new(terms());
    let all = &[("scope", "openid orders:read settle")];
    assert_eq!(world.decide(all, Said::Nothing), Err(Refused::Ask));
    assert_eq!(world.ground.store.tables().filed.len(), 0, "to be asked is no refusal");
    let denied = Err(Refused::Error(AuthorizationError::AccessDenied));
    assert_eq!(world.decide(all, Said::No), denied);
    assert_eq!(
        (world.codes(), world.ground.store.tables().consents.len()),
        (0, 0),
        "nothing is kept of a no"
    );
    assert_eq!(world.decide(all, yes("orders:read admin")), Ok("openid orders:read".to_owned()));
    assert_eq!((world.codes(), world.ground.store.tables().consents.len()), (1, 1));
    assert_eq!(world.decide(&[], Said::Nothing), Ok("openid orders:read".to_owned()), "not asked again");
    assert_eq!(world.decide(all, Said::Nothing), Err(Refused::Ask), "for more");
    assert_eq!(world.decide(&[("prompt", "consent")], Said::Nothing), Err(Refused::Ask));
    let none = &[("scope", "openid settle"), ("prompt", "none")];
    assert_eq!(world.decide(none, Said::Nothing), Err(Refused::Error(AuthorizationError::ConsentRequired)));
    assert_eq!(world.decide(all, yes("settle")), Ok("openid settle".to_owned()));
    assert_eq!(world.decide(all, Said::Nothing), Ok("openid orders:read settle".to_owned()), "together");
    let consent = world.ground.store.tables().consents.values().next().unwrap().clone();
    assert_eq!((consent.version, consent.scopes.to_string()), (2, "openid orders:read settle".to_owned()));
    let plain = &[("scope", "orders:read")];
    assert_eq!(world.decide(plain, yes("")), denied, "nothing of it is no");
}

#[test]
fn safety_9_a_code_is_made_of_what_was_allowed_before_only_while_that_stands() {
    let mut world = World::new(terms());
    world.decide(&[], Said::Yes("openid orders:read".parse().unwrap())).unwrap();
    // Another tab is answered meanwhile, and nobody is in the other's way; then it is withdrawn.
    assert_eq!(world.decide(&[], Said::Nothing), Ok("openid orders:read".to_owned()));
    world.ground.store.meanwhile(|tables| tables.consents.clear());
    assert_eq!(world.decide(&[], Said::Nothing), Err(Refused::Ask));
    assert_eq!(world.codes(), 2);
}

#[test]
fn safety_23_another_client_than_the_person_saw_is_asked_for_again() {
    let mut world = World::new(terms());
    let yes = Said::Yes("orders:read settle".parse().unwrap());
    let all = &[("scope", "openid orders:read settle")];
    assert!(world.decide(all, yes).is_ok() && world.decide(&[], Said::Nothing).is_ok());
    let moved = ClientTerms {
        redirect_uris: [CALLBACK, "https://evil.example/"].map(|one| one.parse().unwrap()).into(),
        ..terms()
    };
    let client = OwnerRecord { client: Some(Box::new(moved)), ..world.client.clone() };
    world.ground.store.keep_owner(&client);
    assert_eq!(world.decide(&[], Said::Nothing), Err(Refused::Ask));
    assert_eq!(
        world.decide(&[], Said::Yes("orders:read".parse().unwrap())),
        Ok("openid orders:read".to_owned())
    );
    assert_eq!(
        world.decide(all, Said::Nothing),
        Err(Refused::Ask),
        "what was allowed the other one is forgotten"
    );
}

#[test]
fn rfc8252_8_6_for_whom_anybody_may_pass_is_asked_every_time() {
    for (redirect, auth_method, silent) in [
        (CALLBACK, AuthMethod::None, true),
        ("http://127.0.0.1/cb", AuthMethod::None, false),
        ("com.example.app:/cb", AuthMethod::None, false),
        ("http://127.0.0.1/cb", AuthMethod::ClientSecret, true),
    ] {
        let redirect_uris = vec![redirect.parse().unwrap()];
        let mut world = World::new(ClientTerms { auth_method, redirect_uris, ..terms() });
        let changes = &[("redirect_uri", redirect)];
        assert!(world.decide(changes, Said::Yes("orders:read".parse().unwrap())).is_ok());
        assert_eq!(world.decide(changes, Said::Nothing).is_ok(), silent, "{redirect}");
    }
}

#[test]
fn who_is_gone_when_they_decide_grants_nothing() {
    for gone in [|world: &World| world.person.clone(), |world: &World| world.client.clone()] {
        let mut world = World::new(terms());
        let (checked, by) = (world.check(&[]).unwrap(), world.signed_in());
        let owner = gone(&world);
        by.person.learn(&OwnerRecord { disabled_at: Some(NOW), ..world.person.clone() });
        world.ground.disable(&owner);
        let client = world.ground.store.snapshot().owner(world.client.id).unwrap();
        let said = Said::Yes("orders:read".parse().unwrap());
        let act =
            Authorize { checked: &checked, said, client: &client, incarnation: 0, client_hash: [0; 32] };
        let refused = world.ground.perform(&by, &act).map(|granted| granted.scopes);
        assert_eq!(refused, Err(Refused::Error(AuthorizationError::AccessDenied)));
        assert_eq!(world.codes(), 0);
    }
}

#[test]
fn rfc9207_2_every_answer_names_its_issuer_and_keeps_what_the_redirect_uri_says() {
    let world = World::new(terms());
    let checked = world.check(&[]).unwrap();
    let code = Response::code(&checked, ISSUER, &Secret::new("c".to_owned()));
    assert_eq!(
        code.location(),
        "https://app.example/cb?code=c&state=a+b%26c&iss=https%3A%2F%2Fauth.example.com"
    );
    assert_eq!(code.mode, ResponseMode::Query);
    for (changes, mode) in [
        (&[("response_mode", "form_post"), ("scope", "x")][..], ResponseMode::FormPost),
        (&[("response_mode", "fragment")], ResponseMode::Query),
    ] {
        let to = world.addressed(changes).unwrap();
        let error = world.check(changes).unwrap_err();
        let told = Response::error(&world.request(changes), &to, ISSUER, error);
        let names: Vec<_> = told.parameters.iter().map(|(name, _)| *name).collect();
        assert_eq!((told.mode, names), (mode, vec!["error", "error_description", "state", "iss"]));
    }
    for (redirect, location) in [
        ("https://app.example/cb?tenant=1", "https://app.example/cb?tenant=1&code=c&iss=i"),
        ("https://app.example/cb?", "https://app.example/cb?code=c&iss=i"),
        ("com.example.app:/cb", "com.example.app:/cb?code=c&iss=i"),
    ] {
        let parameters = vec![("code", "c".to_owned()), ("iss", "i".to_owned())];
        let response = Response { redirect_uri: redirect.to_owned(), mode: ResponseMode::Query, parameters };
        assert_eq!(response.location(), location);
    }
}
