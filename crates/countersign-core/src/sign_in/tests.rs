//! Who is signed in, and until when, as tables.

use std::time::Duration;

use super::{Begun, Proof, Session, SessionEnd, SignIn, SignOut, current, question};
use crate::delegation::WEB_SESSION;
use crate::effect::Effect;
use crate::exchange::System;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::ledger::Find as _;
use crate::owner::SwitchOwner;
use crate::password::{Password, ProvenPassword};
use crate::person::{DeletePerson, ResetPerson};
use crate::secret::Secret;
use crate::seen_browser::SeenBrowser;
use crate::switching::Switch;
use crate::testing::{Ground, NOW, at_once};
use crate::token::FAMILY;

const OPERATOR: &str = "operator users:write owners:write";

/// A person who has a password, and the proof that they know it.
fn ana(ground: &mut Ground) -> (OwnerId, ProvenPassword) {
    let password = Password::typed(&Secret::new("correct horse".to_owned())).unwrap();
    let hash = password.hashing(&mut ground.context()).run().unwrap();
    let id = ground.person("ana", Some(hash.clone()));
    let proof = password.checking(&ground.peppers, Some((id, &hash))).run().unwrap();
    (id, proof)
}

fn sign_in(ground: &mut Ground, proof: &ProvenPassword) -> Result<Begun, SessionEnd> {
    let act = SignIn {
        proof: Proof::Password(proof.clone()),
        incarnation: 0,
        replaces: None,
        browser: SeenBrowser::default(),
    };
    ground.perform(&System, &act)
}

/// What a text is worth now; `None`: nothing is stored of it.
fn found(ground: &mut Ground, text: &Secret<String>) -> Option<Result<Session, SessionEnd>> {
    let asked = question(&ground.peppers, text.expose());
    let record = at_once(ground.store.find(asked)).unwrap()?;
    let (owner, incarnation) =
        (ground.store.snapshot().owner(record.subject.unwrap()), ground.store.tables().incarnation);
    Some(current(&ground.context(), record, owner.as_deref(), incarnation))
}

#[test]
fn a_session_is_found_by_its_text_alone_and_says_who_proved_themselves_when_and_how() {
    let mut ground = Ground::new();
    let (id, proof) = ana(&mut ground);
    let Begun { session, text } = sign_in(&mut ground, &proof).unwrap();
    assert!(text.expose().starts_with("cs_signin_") && session.id.to_string().starts_with("session_"));
    assert_eq!((session.person, session.auth_time, &*session.amr), (id, NOW, &["pwd".to_owned()][..]));
    assert_eq!(found(&mut ground, &text), Some(Ok(session.clone())));
    assert_eq!(found(&mut ground, &Secret::new(session.id.to_string())), None);
    assert_eq!(found(&mut ground, &Secret::new(format!("{}0", text.expose()))), None);
    let stored = ground.store.tables().artifacts[0].clone();
    assert!(!format!("{stored:?}").contains(text.expose().as_str()), "SAFETY 25");
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.actor.owner), ("user.sign_in", Some(id)));
}

#[test]
fn asvs_7_2_4_every_sign_in_has_a_text_of_its_own_and_ends_the_session_before() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let first = sign_in(&mut ground, &proof).unwrap();
    let other = sign_in(&mut ground, &proof).unwrap();
    assert!(first.text.expose() != other.text.expose() && first.session.id != other.session.id);
    let act = SignIn {
        proof: Proof::Password(proof),
        incarnation: 0,
        replaces: Some(first.session.clone()),
        browser: SeenBrowser::default(),
    };
    let next = ground.perform(&System, &act).unwrap();
    assert_eq!(found(&mut ground, &first.text), None, "whoever had it has nothing");
    for text in [&next.text, &other.text] {
        assert!(found(&mut ground, text).unwrap().is_ok());
    }
}

/// What happens to a person.
type Happening = fn(&mut Ground, OwnerId);

const HAPPENINGS: [(&str, Happening); 6] = [
    ("disabled", |ground, id| switch(ground, id, Switch::Disabled)),
    ("disabled and enabled", |ground, id| {
        switch(ground, id, Switch::Disabled);
        switch(ground, id, Switch::Enabled);
    }),
    ("of a disabled organisation", |ground, _| {
        let id = ground.organisation.id;
        switch(ground, id, Switch::Disabled);
    }),
    ("reset", |ground, id| {
        ground.perform(&ground.caller(OPERATOR, ""), &ResetPerson { id, password: None }).unwrap();
    }),
    ("deleted", |ground, id| {
        switch(ground, id, Switch::Disabled);
        ground.perform(&ground.caller(OPERATOR, ""), &DeletePerson { id }).unwrap();
    }),
    ("of an earlier incarnation", |ground, _| ground.store.tables().incarnation += 1),
];

fn switch(ground: &mut Ground, id: OwnerId, switch: Switch) {
    ground.perform(&ground.caller(OPERATOR, "*"), &SwitchOwner { id, switch }).unwrap();
}

#[test]
fn asvs_7_4_2_a_session_ends_with_its_person() {
    for (name, happens) in HAPPENINGS {
        let mut ground = Ground::new();
        let (id, proof) = ana(&mut ground);
        let text = sign_in(&mut ground, &proof).unwrap().text;
        happens(&mut ground, id);
        assert_eq!(found(&mut ground, &text), Some(Err(SessionEnd::Ended)), "{name}");
    }
}

#[test]
fn a_proof_that_is_true_no_more_when_it_is_committed_signs_nobody_in() {
    let names = ["disabled", "of a disabled organisation", "reset", "deleted"];
    for (name, happens) in HAPPENINGS.into_iter().filter(|(name, _)| names.contains(name)) {
        let mut ground = Ground::new();
        let (id, proof) = ana(&mut ground);
        happens(&mut ground, id);
        assert_eq!(sign_in(&mut ground, &proof).unwrap_err(), SessionEnd::Unproven, "{name}");
        let filed = ground.store.lines().1.unwrap();
        assert_eq!((&*filed.action, filed.reason.as_deref()), ("user.sign_in", Some("unproven")));
        assert!(ground.store.tables().artifacts.is_empty(), "{name}");
    }
}

#[test]
fn a_session_that_began_beside_a_reset_is_of_the_generation_before_it() {
    let mut ground = Ground::new();
    let (id, proof) = ana(&mut ground);
    ground.store.meanwhile(move |tables| tables.owners.get_mut(&id).unwrap().generation += 1);
    let text = sign_in(&mut ground, &proof).unwrap().text;
    assert_eq!(found(&mut ground, &text), Some(Err(SessionEnd::Ended)));
}

#[test]
fn asvs_7_3_a_session_ends_when_it_is_not_used_and_in_any_case() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let rows = [
        // Used after so many minutes, and looked at after so many.
        (&[][..], 29, Ok(())),
        (&[], 30, Err(SessionEnd::Idle)),
        (&[2], 31, Err(SessionEnd::Idle)),
        (&[3], 32, Ok(())),
        (&[3], 33, Err(SessionEnd::Idle)),
        (&[25, 50, 75, 100], 119, Ok(())),
        (&[25, 50, 75, 100], 120, Err(SessionEnd::Expired)),
    ];
    for (used, at, expected) in rows {
        let mut ground = Ground::new();
        ground.policy.people.session_lifetime = minutes(120);
        let (_, proof) = ana(&mut ground);
        let text = sign_in(&mut ground, &proof).unwrap().text;
        for minute in used {
            ground.now = NOW.plus(minutes(*minute));
            let session = found(&mut ground, &text).unwrap().unwrap();
            let touch = session.touch(&ground.context()).and_then(|touch| touch.effect(ground.now));
            assert!(ground.store.take(Vec::from_iter(touch), Vec::new()));
        }
        ground.now = NOW.plus(minutes(at));
        assert_eq!(found(&mut ground, &text).unwrap().map(|_| ()), expected, "{used:?} {at}");
    }
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let text = sign_in(&mut ground, &proof).unwrap().text;
    ground.now = NOW.plus(minutes(10));
    ground.policy.people.session_lifetime = minutes(10);
    let shortened = found(&mut ground, &text).unwrap();
    assert_eq!(shortened, Err(SessionEnd::Expired), "the setting holds for the sessions that there are");
}

#[test]
fn a_use_that_races_with_another_is_lost_and_a_session_that_ended_is_not_brought_back() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let Begun { session, text } = sign_in(&mut ground, &proof).unwrap();
    ground.now = NOW.plus(Duration::from_secs(600));
    let touch = session.touch(&ground.context()).unwrap();
    let effect = || vec![touch.clone().effect(ground.now).unwrap()];
    assert!(ground.store.take(effect(), Vec::new()) && !ground.store.take(effect(), Vec::new()));
    assert!(matches!(&effect()[..], [Effect::Advance(_)]), "never inserted");
    assert_eq!(ground.perform(&System, &SignOut(session.clone())), Ok(()));
    assert_eq!(found(&mut ground, &text), None);
    let line = ground.store.lines().0.unwrap();
    assert_eq!((&*line.action, line.actor.credential), ("user.sign_out", Some(session.id)));
    assert_eq!(ground.perform(&System, &SignOut(session)), Err(SessionEnd::Ended));
}

/// Begins something in a session, as a web app does.
fn begin_in(ground: &mut Ground, session: &Session) {
    let mut begun = ground.store.tables().artifacts[0].clone();
    begun.kind = WEB_SESSION;
    begun.family = CredentialId::random(FAMILY, &mut ground.entropy);
    begun.parent = Some(session.id);
    assert!(ground.store.take(vec![Effect::Insert(begun.into())], Vec::new()));
}

#[test]
fn asvs_7_4_1_a_sign_out_ends_what_began_in_the_session_and_in_those_that_it_took_the_place_of() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let mut session = sign_in(&mut ground, &proof).unwrap().session;
    let (other, mut names) = (sign_in(&mut ground, &proof).unwrap().session, vec![session.id]);
    begin_in(&mut ground, &other);
    for begun in 1..=3 {
        begin_in(&mut ground, &session);
        let (proof, browser) = (proof.clone(), SeenBrowser::default());
        let act = SignIn { proof: Proof::Password(proof), incarnation: 0, replaces: Some(session), browser };
        session = ground.perform(&System, &act).unwrap().session;
        names.push(session.id);
        assert_eq!(web_sessions(&ground), 1 + begun, "whoever signs in again stays signed in at web apps");
    }
    ground.perform(&System, &SignOut(session)).unwrap();
    assert_eq!(web_sessions(&ground), 1, "that of another browser");
    let ended: Vec<_> = ground.store.tables().ended.iter().map(|ended| ended.token).collect();
    assert!(names.iter().all(|name| ended.contains(name)) && ended.len() == names.len(), "{ended:?}");
}

fn web_sessions(ground: &Ground) -> usize {
    ground.store.tables().artifacts.iter().filter(|one| one.kind == WEB_SESSION).count()
}

#[test]
fn whoever_signs_in_at_somebody_elses_browser_finds_no_web_app_open() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let session = sign_in(&mut ground, &proof).unwrap().session;
    begin_in(&mut ground, &session);
    let organisation = ground.organisation.clone();
    let theirs = Session { person: ground.member(OwnerKind::User, &organisation).id, ..session };
    let act = SignIn {
        proof: Proof::Password(proof),
        incarnation: 0,
        replaces: Some(theirs),
        browser: SeenBrowser::default(),
    };
    ground.perform(&System, &act).unwrap();
    assert_eq!(web_sessions(&ground), 0);
}

#[test]
fn a_session_says_in_which_browser_it_began() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    let browser = SeenBrowser::new("Mozilla/5.0", Some("192.0.2.1".parse().unwrap()));
    let act =
        SignIn { proof: Proof::Password(proof), incarnation: 0, replaces: None, browser: browser.clone() };
    let Begun { text, .. } = ground.perform(&System, &act).unwrap();
    let session = found(&mut ground, &text).unwrap().unwrap();
    assert_eq!((session.browser, session.seen_at), (browser, NOW));
}

#[test]
fn a_session_is_its_persons_alone_and_of_a_form_that_is_known() {
    let mut ground = Ground::new();
    let (_, proof) = ana(&mut ground);
    sign_in(&mut ground, &proof).unwrap();
    let record = ground.store.tables().artifacts[0].clone();
    let organisation = ground.organisation.clone();
    let other = ground.member(OwnerKind::User, &organisation);
    let known = |id| ground.store.snapshot().owner(id);
    let (own, other) = (known(record.subject.unwrap()), known(other.id));
    let newer = crate::record::ArtifactRecord { payload: r#"{"until":"noon"}"#.into(), ..record.clone() };
    for (record, owner, expected) in [
        (&record, own.as_deref(), None),
        (&record, other.as_deref(), Some(SessionEnd::Ended)),
        (&record, None, Some(SessionEnd::Ended)),
        (&newer, own.as_deref(), Some(SessionEnd::Ended)),
    ] {
        let mut ground = Ground::new();
        assert_eq!(current(&ground.context(), record.clone(), owner, 0).err(), expected);
    }
}
