//! What is issued to devices that a person has allowed it, as tables.

use std::net::IpAddr;
use std::time::Duration;

use super::people::kept;
use super::{ORDERS, World};
use crate::authorization::SignedIn;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::device::{
    Begin, Begun, DecideDevice, Decision, DeviceState, KIND, ROW, Said, Undecided, asked_by,
};
use crate::grant::GrantError;
use crate::id::{CredentialId, IdPrefix, OwnerKind};
use crate::issuance::Issuance;
use crate::ledger::Find as _;
use crate::principal::Principal;
use crate::record::{ArtifactRecord, OwnerRecord};
use crate::refreshing;
use crate::testing::{NOW, at_once, scopes};

const ALL: &str = "openid orders:read settle offline_access";
const MINUTE: Duration = Duration::from_secs(60);

/// A client with devices, and a person.
struct Devices {
    world: World,
    client: Principal,
    record: OwnerRecord,
    person: OwnerRecord,
    hash: [u8; 32],
}

fn terms() -> ClientTerms {
    ClientTerms {
        grants: [GrantType::DeviceCode].into(),
        scopes: scopes("orders:read settle"),
        audiences: vec![ORDERS.parse().unwrap()],
        auth_method: AuthMethod::None,
        ..ClientTerms::default()
    }
}

impl Devices {
    fn new(terms: ClientTerms) -> Self {
        let mut world = World::new();
        world.ground.store.tables().incarnation = 3;
        let hash = terms.consent_hash("tv");
        let (record, client) = world.ground.client(terms);
        let organisation = world.ground.organisation.clone();
        let person = world.ground.member(OwnerKind::User, &organisation);
        world.ground.store.tables().persons.insert(person.id, kept(&person));
        Self { world, client, record, person, hash }
    }

    fn begin(&mut self, scope: Option<&str>, resource: Option<&str>) -> Result<Begun, &'static str> {
        let begin = Begin { scope, resource, resources: &self.world.resources };
        self.world.ground.perform(&self.client, &begin).map_err(GrantError::code)
    }

    fn begun(&mut self) -> Begun {
        self.begin(Some(ALL), None).unwrap()
    }

    fn found(&self, begun: &Begun) -> Option<ArtifactRecord> {
        let ground = &self.world.ground;
        at_once(ground.store.find(asked_by(&ground.peppers, &begun.user_code))).unwrap()
    }

    fn decide(&mut self, begun: &Begun, decision: Decision) -> Result<Decision, Undecided> {
        let family = self.found(begun).unwrap().family;
        let ground = &mut self.world.ground;
        let snapshot = ground.store.snapshot();
        let act = DecideDevice {
            family,
            client: &snapshot.owner(self.record.id).unwrap(),
            client_hash: self.hash,
            incarnation: 3,
            decision,
        };
        let by = SignedIn {
            session: CredentialId::random(IdPrefix::new("ses"), &mut ground.entropy),
            person: snapshot.owner(self.person.id).unwrap(),
            auth_time: NOW,
            is_undated: false,
            amr: vec!["pwd".to_owned()],
        };
        ground.perform(&by, &act)
    }

    fn allow(&mut self, begun: &Begun, ticked: &str) -> Result<String, Undecided> {
        match self.decide(begun, Decision::Allow(scopes(ticked)))? {
            Decision::Allow(scopes) => Ok(scopes.to_string()),
            Decision::Deny => Ok("no".to_owned()),
        }
    }

    fn poll(&mut self, begun: &Begun, more: &[(&str, &str)]) -> Result<Issuance, &'static str> {
        let mut asked = vec![("grant_type", ROW.grant_type), ("device_code", begun.device_code.expose())];
        asked.extend(more);
        self.world.ask(&self.client.clone(), &asked).unwrap().map_err(GrantError::code)
    }

    fn calls(&mut self, issued: &Issuance) -> Result<(), &'static str> {
        let field = format!("Bearer {}", issued.token.expose());
        let gateway = crate::authenticators::GATEWAY;
        let presented = self.world.ground.present(gateway, &[("authorization", &field)]);
        presented.map(drop).map_err(|rejection| rejection.code())
    }

    fn kept(&self, kind: &str) -> usize {
        self.world.ground.store.tables().artifacts.iter().filter(|one| one.kind == kind).count()
    }

    fn reason(&self) -> String {
        let (committed, filed) = self.world.ground.store.lines();
        filed.or(committed).unwrap().reason.unwrap_or_default().into_owned()
    }
}

#[test]
fn rfc8628_3_a_device_waits_and_a_person_allows_what_it_asked_for() {
    let mut devices = Devices::new(terms());
    devices.world.ground.address = Some("192.0.2.7".parse::<IpAddr>().unwrap());
    let begun = devices.begun();
    assert_eq!(begun.lifetime, 10 * MINUTE);
    let record = devices.found(&begun).unwrap();
    let state: DeviceState = serde_json::from_str(&record.payload).unwrap();
    assert_eq!(
        (state.address, state.asked_at, state.said),
        (devices.world.ground.address, NOW, Said::Nothing)
    );
    let stored = format!("{:?}", devices.world.ground.store.tables().artifacts);
    for secret in [begun.device_code.expose().as_str(), begun.user_code.expose()] {
        assert!(!stored.contains(secret), "SAFETY 25");
    }
    assert_eq!(devices.poll(&begun, &[]).err(), Some("authorization_pending"));
    assert_eq!(
        devices.allow(&begun, "orders:read offline_access").unwrap(),
        "offline_access openid orders:read"
    );
    let issued = devices.poll(&begun, &[]).unwrap();
    assert_eq!((issued.claims.client, issued.claims.subject), (devices.record.id, devices.person.id));
    assert_eq!(issued.claims.scopes.to_string(), "offline_access openid orders:read");
    assert!(issued.id_token.is_some() && issued.refresh_token.is_some());
    assert_eq!(devices.calls(&issued), Ok(()));
    assert_eq!(devices.world.ground.store.tables().consents.len(), 1);
}

#[test]
fn rfc8628_3_1_a_client_asks_for_what_it_is_registered_for() {
    let elsewhere = Some("https://opaque.example");
    for (terms, scope, resource, expected) in [
        (terms(), None, None, Ok("orders:read settle")),
        (terms(), Some("openid settle"), Some(ORDERS), Ok("openid settle")),
        (terms(), Some("admin"), None, Err("invalid_scope")),
        (terms(), Some("a  b"), None, Err("invalid_scope")),
        (terms(), None, elsewhere, Err("invalid_target")),
        (
            ClientTerms { grants: [GrantType::ClientCredentials].into(), ..terms() },
            None,
            None,
            Err("unauthorized_client"),
        ),
    ] {
        let mut devices = Devices::new(terms);
        let begun = devices.begin(scope, resource);
        let asked = begun.map(|begun| {
            let record = devices.found(&begun).unwrap();
            serde_json::from_str::<DeviceState>(&record.payload).unwrap().scopes.to_string()
        });
        assert_eq!(asked, expected.map(str::to_owned), "{scope:?} {resource:?}");
    }
}

#[test]
fn rfc8628_3_5_each_word_of_a_person_has_its_answer() {
    let mut devices = Devices::new(terms());
    let begun = devices.begun();
    assert_eq!(devices.decide(&begun, Decision::Deny), Ok(Decision::Deny));
    assert_eq!(devices.poll(&begun, &[]).err(), Some("access_denied"));
    assert_eq!(devices.allow(&begun, ALL), Err(Undecided::Gone), "once");
    let begun = devices.begun();
    assert_eq!(devices.allow(&begun, "admin").unwrap(), "openid", "nothing that was not asked for");
    let mut plain = Devices::new(terms());
    let begun = plain.begin(Some("orders:read"), None).unwrap();
    assert_eq!(plain.allow(&begun, "").unwrap(), "no", "nothing of what was asked for is no");
    assert_eq!(plain.poll(&begun, &[]).err(), Some("access_denied"));
    for (late, expected) in [(10 * MINUTE - Duration::from_millis(1), true), (10 * MINUTE, false)] {
        let mut devices = Devices::new(terms());
        let (begun, waiting) = (devices.begun(), devices.begun());
        devices.allow(&begun, ALL).unwrap();
        devices.world.ground.now = NOW.plus(late);
        let answer = devices.poll(&begun, &[]).err();
        assert_eq!(answer, (!expected).then_some("expired_token"), "{late:?}");
        assert_eq!(devices.allow(&waiting, ALL).is_ok(), expected, "{late:?}");
        let pending = if expected { None } else { Some("expired_token") };
        assert_eq!(devices.poll(&waiting, &[]).err(), pending, "{late:?}");
    }
}

#[test]
fn attacks_13_15_16_a_device_code_counts_for_its_client_and_once() {
    let mut devices = Devices::new(terms());
    let begun = devices.begun();
    devices.allow(&begun, ALL).unwrap();
    let issued = devices.poll(&begun, &[]).unwrap();
    assert_eq!((devices.calls(&issued), devices.kept(refreshing::KIND)), (Ok(()), 1));
    assert_eq!(devices.poll(&begun, &[]).err(), Some("invalid_grant"));
    assert_eq!(devices.reason(), "device_code_reused");
    assert_eq!((devices.calls(&issued), devices.kept(refreshing::KIND)), (Err("revoked"), 0));

    let mut devices = Devices::new(terms());
    let begun = devices.begun();
    let (_, stranger) = devices.world.ground.client(terms());
    let owner = std::mem::replace(&mut devices.client, stranger);
    assert_eq!(devices.poll(&begun, &[]).err(), Some("invalid_grant"));
    assert_eq!(devices.reason(), "another_clients_device_code");
    devices.client = owner;
    assert_eq!(devices.allow(&begun, ALL), Err(Undecided::Gone), "it is burnt");
    assert_eq!(devices.poll(&begun, &[]).err(), Some("access_denied"));

    let begun = devices.begun();
    for text in [
        begun.user_code.expose(),
        &begun.device_code.expose().replace("cs_device", "cs_code"),
        Devices::new(terms()).begun().user_code.expose(),
        "x",
    ] {
        let asked = [("grant_type", ROW.grant_type), ("device_code", text)];
        let answer = devices.world.ask(&devices.client.clone(), &asked).unwrap();
        assert_eq!(answer.map_err(GrantError::code).err(), Some("invalid_grant"), "{text}");
    }
}

#[test]
fn attack_45_who_was_locked_or_ended_gets_nothing_and_allows_nothing() {
    type End = fn(&mut Devices);
    let raise: End = |devices| {
        let raised = OwnerRecord { generation: devices.person.generation + 1, ..devices.person.clone() };
        devices.world.ground.store.keep_owner(&raised);
    };
    let ends: [(&str, End, &str, bool); 4] = [
        ("the person is disabled", |one| one.world.ground.disable(&one.person), "access_denied", false),
        ("the client is disabled", |one| one.world.ground.disable(&one.record), "unauthorized_client", false),
        (
            "the organisation is disabled",
            |one| one.world.ground.disable(&one.world.ground.organisation.clone()),
            "access_denied",
            false,
        ),
        ("the person's generation", raise, "invalid_grant", true),
    ];
    for (what, end, code, may_allow) in ends {
        let mut devices = Devices::new(terms());
        let (begun, waiting) = (devices.begun(), devices.begun());
        devices.allow(&begun, ALL).unwrap();
        end(&mut devices);
        let owner = devices.world.ground.store.snapshot().owner(devices.record.id).unwrap();
        devices.client = Principal::assertion(crate::client_authentication::proof(&owner, AuthMethod::None));
        assert_eq!(devices.poll(&begun, &[]).err(), Some(code), "{what}");
        assert_eq!(devices.allow(&waiting, ALL).is_ok(), may_allow, "{what}");
    }
}

#[test]
fn safety_23_what_a_person_allows_a_device_they_allow_the_client_as_it_was_shown() {
    let mut devices = Devices::new(terms());
    let begun = devices.begun();
    devices.allow(&begun, "orders:read").unwrap();
    let begun = devices.begun();
    devices.allow(&begun, "settle").unwrap();
    let consent = devices.world.ground.store.tables().consents.values().next().cloned().unwrap();
    assert_eq!((consent.scopes.to_string().as_str(), consent.version), ("openid orders:read settle", 2));
    let begun = devices.begun();
    devices.hash = terms().consent_hash("another name");
    devices.allow(&begun, "settle").unwrap();
    let consents: Vec<_> = devices.world.ground.store.tables().consents.values().cloned().collect();
    let [changed] = consents.as_slice() else { panic!("one for each pair: {consents:?}") };
    assert_eq!((&changed.id, changed.scopes.clone()), (&consent.id, scopes("openid settle")));
}

#[test]
fn of_two_decisions_at_once_the_second_finds_none_that_waits() {
    let mut devices = Devices::new(terms());
    let begun = devices.begun();
    devices.world.ground.store.meanwhile(|tables| {
        let device = tables.artifacts.iter_mut().find(|one| one.kind == KIND).unwrap();
        device.version += 1;
        device.payload = device.payload.replace("\"said\":\"nothing\"", "\"said\":\"no\"");
    });
    assert_eq!(devices.allow(&begun, ALL), Err(Undecided::Gone));
    assert_eq!(devices.world.ground.store.tables().consents.len(), 0, "one commit, or none");
}
