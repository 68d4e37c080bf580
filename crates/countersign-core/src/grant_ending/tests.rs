//! Who ends what people have allowed, as tables.

use super::{EndFamily, EndGrant, EndGrantOf, EndOwnFamily, NotIts};
use crate::client_terms::ClientTerms;
use crate::delegation::RENEWED_BY;
use crate::effect::Effect;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::question::ConsentTo;
use crate::record::{ArtifactRecord, ConsentRecord, OwnerRecord};
use crate::refreshing::{self, KIND, mint};
use crate::refusal::Refusal;
use crate::secret::{Purpose, SecretHash};
use crate::testing::{Caller, Ground, HOUR, NOW};
use crate::token::{FAMILY, GRANT};

struct World {
    ground: Ground,
    client: OwnerRecord,
    person: OwnerRecord,
    grant: CredentialId,
    family: CredentialId,
}

impl World {
    fn new() -> Self {
        let mut ground = Ground::new();
        let home = ground.organisation.clone();
        let (client, person) =
            (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::User, &home));
        let grant = CredentialId::random(GRANT, &mut ground.entropy);
        let family = CredentialId::random(FAMILY, &mut ground.entropy);
        let consent = ConsentRecord {
            id: grant,
            client: client.id,
            subject: person.id,
            organisation: client.organisation,
            scopes: "openid".parse().unwrap(),
            client_hash: SecretHash::UNSET,
            version: 1,
            created_at: NOW,
            updated_at: NOW,
        };
        let artifact = |kind, family| ArtifactRecord {
            kind,
            lookup: SecretHash::UNSET,
            second_lookup: None,
            version: 1,
            family,
            grant: Some(grant),
            parent: None,
            client: Some(client.id),
            subject: Some(person.id),
            organisation: client.organisation,
            expires_at: NOW.plus(HOUR),
            payload: String::new(),
        };
        let code = CredentialId::random(FAMILY, &mut ground.entropy);
        let effects: Vec<Effect> = vec![
            Effect::Insert(consent.into()),
            Effect::Insert(artifact(KIND, family).into()),
            Effect::Insert(artifact("authorization_code", code).into()),
        ];
        assert!(ground.store.take(effects, Vec::new()));
        Self { ground, client, person, grant, family }
    }

    /// Makes the family one of a person of another tenant, that is renewed by `kind`.
    fn renew_by(&mut self, kind: &'static str) {
        let tenant = self.ground.stranger();
        let home = std::mem::replace(&mut self.ground.organisation, tenant);
        let person = self.ground.person("bo", None);
        self.ground.organisation = home;
        self.person = self.owner(person);
        let family = self.family;
        for one in self.ground.store.tables().artifacts.iter_mut().filter(|one| one.family == family) {
            (one.kind, one.subject) = (kind, Some(person));
        }
    }

    fn owner(&self, id: OwnerId) -> OwnerRecord {
        self.ground.store.tables().owners[&id].clone()
    }

    /// What is left: grants, artifacts, and what verifiers were told has ended.
    fn left(&self) -> (usize, usize, Vec<CredentialId>) {
        let tables = self.ground.store.tables();
        let ended = tables.ended.iter().map(|one| one.token).collect();
        (tables.consents.len(), tables.artifacts.len(), ended)
    }
}

#[test]
fn safety_13_and_17_a_grant_is_ended_within_reach_with_all_that_belongs_to_it() {
    type Who = fn(&World) -> OwnerRecord;
    let rows: [(&str, Who, &str, bool); 6] = [
        ("its tenant", |world| world.ground.organisation.clone(), "tokens:write", true),
        ("an operator", |world| world.person.clone(), "operator tokens:write", true),
        ("the client", |world| world.client.clone(), "tokens:write", true),
        ("the person", |world| world.person.clone(), "tokens:write", true),
        ("another tenant", |_| Ground::new().stranger(), "tokens:write", false),
        ("another person", |_| Ground::new().stranger(), "tokens:write", false),
    ];
    for (what, who, held, may) in rows {
        for by_name in [true, false] {
            let mut world = World::new();
            let caller = who(&world);
            world.ground.store.keep_owner(&caller);
            let permit = Caller::of(&caller).holding(held).permit();
            let pair = ConsentTo { client: world.client.id, subject: world.person.id };
            let ended = if by_name {
                world.ground.perform(&permit, &EndGrant(world.grant))
            } else {
                world.ground.perform(&permit, &EndGrantOf(pair))
            };
            let expected = if may { (0, 0, vec![world.grant]) } else { (1, 2, Vec::new()) };
            assert_eq!(ended, if may { Ok(()) } else { Err(Refusal::GrantNotFound) }, "{what}");
            assert_eq!(world.left(), expected, "{what}");
        }
    }
}

#[test]
fn a_family_ends_and_the_grant_stays() {
    for (held, known, expected) in [
        ("tokens:write", true, Ok(())),
        ("tokens:write", false, Err(Refusal::NotFound)),
        ("operator tokens:write", false, Ok(())),
    ] {
        let mut world = World::new();
        let other = CredentialId::random(FAMILY, &mut world.ground.entropy);
        let family = if known { world.family } else { other };
        let permit = Caller::of(&world.ground.organisation).holding(held).permit();
        assert_eq!(world.ground.perform(&permit, &EndFamily(family)), expected);
        let (grants, artifacts, ended) = world.left();
        assert_eq!((grants, artifacts), (1, if known { 1 } else { 2 }));
        assert_eq!(ended, Vec::from_iter(expected.is_ok().then_some(family)));
    }
}

#[test]
fn safety_13_and_17_a_family_is_ended_within_reach_whatever_renews_it() {
    type Who = fn(&World) -> OwnerRecord;
    let rows: [(&str, Who, &str, bool); 6] = [
        ("the client's tenant", |world| world.ground.organisation.clone(), "tokens:write", true),
        ("the person's tenant", |world| world.owner(world.person.organisation), "tokens:write", true),
        ("the client", |world| world.client.clone(), "tokens:write", true),
        ("the person", |world| world.person.clone(), "tokens:write", true),
        ("an operator", |_| Ground::new().stranger(), "operator tokens:write", true),
        ("another tenant", |_| Ground::new().stranger(), "tokens:write", false),
    ];
    for kind in RENEWED_BY {
        for (what, who, held, may) in &rows {
            let mut world = World::new();
            world.renew_by(kind);
            let caller = who(&world);
            world.ground.store.keep_owner(&caller);
            let permit = Caller::of(&caller).holding(held).permit();
            let ended = world.ground.perform(&permit, &EndFamily(world.family));
            assert_eq!(ended, if *may { Ok(()) } else { Err(Refusal::NotFound) }, "{kind}, {what}");
            let expected = if *may { (1, 1, vec![world.family]) } else { (1, 2, Vec::new()) };
            assert_eq!(world.left(), expected, "{kind}, {what}");
        }
    }
}

#[test]
fn rfc7009_2_1_a_client_ends_the_families_of_its_own_refresh_tokens() {
    let mut world = World::new();
    let (record, client) = world.ground.client(ClientTerms::default());
    let (_, stranger) = world.ground.client(ClientTerms::default());
    let family = world.family;
    let token = |world: &mut World, number| {
        let text = mint(&mut world.ground.context(), family, number);
        refreshing::parse(text.expose()).unwrap()
    };
    let (first, second) = (token(&mut world, 0), token(&mut world, 1));
    let text = mint(&mut world.ground.context(), family, 2);
    let lookup = world.ground.peppers.current().hash(Purpose::Credential, text.expose());
    for one in world.ground.store.tables().artifacts.iter_mut().filter(|one| one.kind == KIND) {
        (one.client, one.lookup) = (Some(record.id), lookup);
    }
    assert_eq!(world.ground.perform(&stranger, &EndOwnFamily(first.again())), Err(NotIts));
    let (body, _) = text.expose().split_at(text.expose().len() - 22);
    let forged = refreshing::parse(&format!("{body}{}", "0".repeat(22))).unwrap();
    assert_eq!(world.ground.perform(&client, &EndOwnFamily(forged)), Err(NotIts));
    assert_eq!(world.left().1, 2);
    assert_eq!(world.ground.perform(&client, &EndOwnFamily(second)), Ok(()), "one that was used before too");
    assert_eq!(world.left(), (1, 1, vec![family]));
}
