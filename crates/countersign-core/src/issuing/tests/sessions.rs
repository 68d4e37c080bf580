//! Sessions at web apps: what begins, renews and ends one, as tables.

use std::sync::Arc;
use std::time::Duration;

use super::people::{CALLBACK, People, VERIFIER, terms};
use super::{Issuer, write};
use crate::authorization_code::{self, CodeState};
use crate::carried::Carried;
use crate::client_authentication::proof;
use crate::client_terms::{AuthMethod, ClientTerms};
use crate::context::Context;
use crate::decision::{Agreement, Asked, Condition, OwnCriteria, Requirement, rehearse};
use crate::delegation::{WEB_SESSION, end_family, end_grant, end_session};
use crate::effect::Effect;
use crate::exchange::{System, issue};
use crate::few::Few;
use crate::grant::{Form, GrantError, TokenRequest, parse};
use crate::grants::GRANTS;
use crate::id::{CredentialId, OwnerKind};
use crate::ledger::{Durable as _, Ledger as _, Unavailable};
use crate::principal::Principal;
use crate::record::OwnerRecord;
use crate::rejection::Rejection;
use crate::seen_browser::SeenBrowser;
use crate::testing::{Caller, ISSUER, NOW, at_once};
use crate::toys::connection;
use crate::web_session::{EndSession, ROW, Regard, Renewal, SessionIssuer, WebSession, presented, renewal};

const MINUTE: Duration = Duration::from_secs(60);
const ALL: &str = "openid orders:read";

fn people() -> People {
    People::new(ClientTerms { auth_method: AuthMethod::Gateway, ..terms() })
}

impl People {
    fn issued(&mut self, request: &dyn TokenRequest, regard: Regard) -> Result<WebSession, &'static str> {
        let pair = Arc::clone(&self.world.pair);
        let writer = move |draft: &super::Draft<'_>| write(draft, &pair).ok_or(Unavailable::NoSigningKey);
        let incarnation = self.world.ground.store.tables().incarnation;
        let issuer = Issuer { url: ISSUER, resources: &self.world.resources, incarnation, writer: &writer };
        let by = SessionIssuer { issuer, regard };
        let ground = &mut self.world.ground;
        // It is proven for each request, as it is now.
        let client = ground.store.snapshot().owner(self.client.client().unwrap());
        let client = client.filter(|client| client.is_live()).ok_or("unproven")?;
        let client = Principal::assertion(proof(&client, AuthMethod::Gateway));
        let (entropy, peppers, policy) = (&mut ground.entropy, &ground.peppers, &ground.policy);
        let mut context = Context { now: ground.now, entropy, peppers, policy, address: None };
        let issued = at_once(issue(&ground.store, &mut context, &by, &client, request));
        issued.unwrap().map_err(GrantError::code)
    }

    fn begin(&mut self, replaces: Option<CredentialId>) -> WebSession {
        let code = self.code(ALL);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let form = Form::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
        self.issued(
            &*parse(GRANTS, &form).unwrap(),
            Regard::Begins { replaces, browser: SeenBrowser::default() },
        )
        .unwrap()
    }

    fn proven(&mut self, text: &str) -> Result<Renewal, &'static str> {
        let snapshot = self.world.ground.store.snapshot();
        let presented = presented(text, &snapshot).ok_or("unrecognised")?;
        let found = at_once(self.world.ground.store.look_up(presented.lookup())).unwrap();
        let proven = renewal(&self.world.ground.context(), presented, found).unwrap();
        proven.map_err(Rejection::code)
    }

    fn renew(&mut self, text: &str, regard: Regard) -> Result<WebSession, &'static str> {
        let renewal = self.proven(text)?;
        self.issued(&renewal, regard)
    }

    /// What a session token is worth at the gateway, and for whom.
    fn enters(&mut self, token: &str) -> Result<(), &'static str> {
        let snapshot = self.world.ground.store.snapshot();
        let recognised = (ROW.recognise)(Carried::Session(token), &snapshot).ok_or("unrecognised")?;
        let presented = recognised.map_err(Rejection::code)?;
        let found = snapshot.look_up(&presented.lookup());
        let verified = presented.verify(&mut self.world.ground.context(), found, None).unwrap();
        verified.map(drop).map_err(|unproven| unproven.rejection.code())
    }

    fn commit(&mut self, effects: Vec<Effect>) {
        at_once(self.world.ground.store.commit(effects, Vec::new())).unwrap();
    }
}

fn text(session: &WebSession) -> String {
    session.text.as_ref().unwrap().expose().clone()
}

#[test]
fn rfc8725_3_11_a_session_token_is_no_access_token_nor_the_reverse() {
    let mut people = people();
    let session = people.begin(None);
    assert_eq!(people.enters(session.token.expose()), Ok(()));
    let field = format!("Bearer {}", session.token.expose());
    let bearer = people.world.ground.present(crate::authenticators::GATEWAY, &[("authorization", &field)]);
    assert_eq!(bearer.err().map(|rejection| rejection.code()), Some("wrong_type"));
    let code = people.code(ALL);
    let access = people.redeem(&code, &[]).unwrap();
    assert_eq!(people.calls(&access), Ok(()));
    assert_eq!(people.enters(access.token.expose()), Err("wrong_type"));
    assert_eq!(people.proven(access.token.expose()).err(), Some("unrecognised"), "nor is it renewed");
    assert_eq!(people.enters(&text(&session)), Err("unrecognised"), "what a browser keeps is no token");
    assert_eq!(people.enters(""), Err("unrecognised"));
}

#[test]
fn safety_25_nothing_that_is_kept_of_a_session_opens_one() {
    let mut people = people();
    let session = people.begin(None);
    let stored = format!("{:?}", people.world.ground.store.tables().artifacts);
    for secret in [text(&session), session.token.expose().clone()] {
        assert!(!stored.contains(&secret));
    }
    assert_eq!(people.kept(crate::refreshing::KIND), 0, "there is no refresh token");
}

#[test]
fn a_session_is_renewed_by_what_its_browser_keeps_and_by_nothing_else() {
    let mut people = people();
    let session = people.begin(None);
    let (kept, token) = (text(&session), session.token.expose().clone());
    people.world.ground.now = NOW.plus(5 * MINUTE);
    assert_eq!(people.enters(&token), Err("expired"));
    for shown in [&kept, &token] {
        let next = people.renew(shown, Regard::Used).unwrap();
        assert_eq!(people.enters(next.token.expose()), Ok(()));
        assert_eq!((next.claims.subject, next.ends_at), (people.person.id, session.ends_at));
        assert!(next.text.is_none(), "its text is told once");
    }
    let guess = format!("{}{}", kept.get(..kept.len() - 22).unwrap(), "0".repeat(22));
    let asked = people.world.ground.store.tables().committed.len();
    assert_eq!(people.proven(&guess).err(), Some("unknown"), "a guess asks no store");
    assert_eq!(people.world.ground.store.tables().committed.len(), asked);
    let mut forged = token.clone();
    forged.replace_range(token.len() - 8.., "AAAAAAAA");
    assert_eq!(people.proven(&forged).err(), Some("signature"));
    // A text of ours of another session, whose family is named in it.
    let other = people.begin(None);
    let mixed = people.proven(&text(&other)).unwrap();
    assert!(mixed.family() != people.proven(&kept).unwrap().family());
}

#[test]
fn asvs_7_2_4_the_session_before_ends_when_the_next_begins() {
    let mut people = people();
    let first = people.begin(None);
    let family = people.proven(&text(&first)).unwrap().family();
    let next = people.begin(Some(family));
    assert!(text(&next) != text(&first));
    assert_eq!(people.enters(first.token.expose()), Err("revoked"), "whoever had it has nothing");
    assert_eq!(people.renew(&text(&first), Regard::Used).err(), Some("invalid_grant"));
    assert_eq!(people.proven(first.token.expose()).err(), Some("revoked"));
    assert_eq!(people.enters(next.token.expose()), Ok(()));
    assert_eq!(people.kept(WEB_SESSION), 1);
}

#[test]
fn asvs_7_3_a_session_ends_without_use_and_in_any_case() {
    // Each row: how many minutes pass before each use, and whether the last one counts.
    for (steps, regard, expected) in [
        (vec![29], Regard::Used, true),
        (vec![30], Regard::Used, false),
        (vec![20, 20], Regard::Used, true),
        (vec![20, 20], Regard::Looked, false),
        (vec![2, 29], Regard::Used, false),
        (vec![3, 29], Regard::Used, true),
        (vec![29; 16], Regard::Used, true),
        (vec![29; 17], Regard::Used, false),
    ] {
        let mut people = people();
        let session = people.begin(None);
        let mut last = Ok(());
        for step in &steps {
            people.world.ground.now = people.world.ground.now.plus(*step * MINUTE);
            last = people.renew(&text(&session), regard.clone()).map(drop);
        }
        assert_eq!(last, if expected { Ok(()) } else { Err("invalid_grant") }, "{steps:?} {regard:?}");
    }
}

#[test]
fn a_session_that_is_shortened_by_the_settings_is_over() {
    let mut people = people();
    let session = people.begin(None);
    people.world.ground.now = NOW.plus(20 * MINUTE);
    assert!(people.renew(&text(&session), Regard::Looked).is_ok());
    people.world.ground.policy.web_sessions.lifetime = 20 * MINUTE;
    assert_eq!(people.renew(&text(&session), Regard::Looked).err(), Some("invalid_grant"));
}

#[test]
fn a_session_token_does_not_outlive_its_session() {
    let mut people = people();
    people.world.ground.policy.web_sessions.lifetime = 2 * MINUTE;
    let session = people.begin(None);
    assert_eq!(session.claims.expires_at, NOW.plus(2 * MINUTE));
}

/// What happens to a session.
type Happening = fn(&mut People, &WebSession);

const HAPPENINGS: [(&str, Happening); 9] = [
    ("signed out", |people, session| {
        let renewal = people.proven(session.token.expose()).unwrap();
        people.world.ground.perform(&System, &EndSession(renewal)).unwrap();
    }),
    ("its person disabled", |people, _| people.world.ground.disable(&people.person.clone())),
    ("its client disabled", |people, _| people.world.ground.disable(&people.record.clone())),
    ("everything of its person", |people, _| {
        people.world.ground.store.tables().owners.get_mut(&people.person.id).unwrap().generation += 1;
    }),
    ("everything of its client", |people, _| {
        people.world.ground.store.tables().owners.get_mut(&people.record.id).unwrap().generation += 1;
    }),
    ("everything", |people, _| people.world.ground.store.tables().incarnation = 9),
    ("its family", |people, session| {
        let family = session.claims.delegation.as_ref().unwrap().family;
        people.commit(end_family(NOW, family));
    }),
    ("the session at the issuer that it began in", |people, session| {
        let began_in = session.claims.delegation.as_ref().unwrap().session.unwrap();
        people.commit(end_session(NOW, began_in));
    }),
    ("its grant", |people, session| {
        let grant = session.claims.delegation.as_ref().unwrap().grant;
        people.commit(end_grant(NOW, grant));
    }),
];

#[test]
fn safety_17_a_session_ends_with_whatever_it_hangs_on() {
    for (what, happens) in HAPPENINGS {
        let mut people = people();
        let session = people.begin(None);
        assert_eq!(people.enters(session.token.expose()), Ok(()), "{what}");
        happens(&mut people, &session);
        assert!(people.enters(session.token.expose()).is_err(), "{what}");
        for shown in [text(&session), session.token.expose().clone()] {
            assert!(people.renew(&shown, Regard::Used).is_err(), "{what}");
        }
    }
}

#[test]
fn a_code_of_a_web_app_ends_with_the_session_that_it_began_in_and_that_of_another_client_does_not() {
    for (auth_method, kept) in [(AuthMethod::Gateway, 0), (AuthMethod::ClientSecret, 1)] {
        let mut people = People::new(ClientTerms { auth_method, ..terms() });
        people.code(ALL);
        let code = people.world.ground.store.tables().artifacts[0].clone();
        let began_in = serde_json::from_str::<CodeState>(&code.payload).unwrap().authorized.session;
        people.commit(end_session(NOW, began_in));
        assert_eq!(people.kept(authorization_code::KIND), kept, "{auth_method:?}");
    }
}

#[test]
fn rfc6749_2_3_a_web_app_is_proven_by_no_request() {
    let mut people = people();
    let code = people.code(ALL);
    // What the token endpoint makes of any request in its name: see the tables of client authentication.
    assert!(
        crate::client_authentication::CLIENT_AUTHENTICATION.iter().all(|method| method.name != "gateway")
    );
    let session = people.begin(None);
    let renewal = people.proven(&text(&session)).unwrap();
    let (_, stranger) = people.world.ground.client(terms());
    people.client = stranger;
    assert_eq!(
        people.issued(&renewal, Regard::Used).err(),
        Some("invalid_grant"),
        "another client's session"
    );
    assert_eq!(people.redeem(&code, &[]).err(), Some("invalid_grant"), "another client's code");
}

#[test]
fn safety_6_the_person_and_the_device_are_asked_for_together_and_each_alone_opens_nothing() {
    let mut people = people();
    let session = people.begin(None);
    let organisation = people.world.ground.organisation.clone();
    let other = people.world.ground.member(OwnerKind::User, &organisation);
    let snapshot = people.world.ground.store.snapshot();
    let recognised = (ROW.recognise)(Carried::Session(session.token.expose()), &snapshot).unwrap().unwrap();
    let found = snapshot.look_up(&recognised.lookup());
    let verified = recognised.verify(&mut people.world.ground.context(), found, None).unwrap();
    let person = verified.unwrap().principal;
    let device = |owner: &OwnerRecord| Caller::of(owner).by(connection::SCHEME).principal();
    let condition =
        |scheme| Condition::of(scheme, Asked { own: OwnCriteria::NONE, token: None, web_app: None });
    let conditions = || vec![condition(crate::web_session::SCHEME), condition(connection::SCHEME)];
    for (what, members, agreement, expected) in [
        ("both", vec![person.clone(), device(&people.person)], Agreement::Subject, Ok(())),
        (
            "another person's device",
            vec![person.clone(), device(&other)],
            Agreement::Subject,
            Err("owners_disagree"),
        ),
        ("any device of the house", vec![person.clone(), device(&other)], Agreement::Organisation, Ok(())),
        ("the person alone", vec![person.clone()], Agreement::Subject, Err("wrong_scheme")),
        ("the device alone", vec![device(&people.person)], Agreement::Subject, Err("wrong_scheme")),
        ("neither", vec![], Agreement::Subject, Err("credential_required")),
    ] {
        let members = members.into_iter().fold(None, |all, one| Some(Few::with(all, one)));
        let decided = rehearse(members.as_ref(), &Requirement::All(conditions(), agreement));
        assert_eq!(decided, expected, "{what}");
    }
}
