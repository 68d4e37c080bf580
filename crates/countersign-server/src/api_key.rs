//! `/v1/keys`: API keys.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::api_key;
use countersign_core::api_key::{Create, Good, Verification, verify_key};
use countersign_core::authenticators::GATEWAY;
use countersign_core::effect::Use;
use countersign_core::environment::Environment;
use countersign_core::id::CredentialId;
use countersign_core::key_evidence::KeyEvidence;
use countersign_core::kind::Kind;
use countersign_core::known::KnownCredential;
use countersign_core::ledger::{Answer, Find as _, Ledger as _, Settled, Unavailable};
use countersign_core::lifecycle::{Amend, Forget, Revoke, Rotate, visible};
use countersign_core::meter::Exceeded;
use countersign_core::presentation::{Member, recognise_told};
use countersign_core::question::RecordOf;
use countersign_core::record::Terms;
use countersign_core::refusal::Refusal;
use countersign_core::rejection::Rejection;
use countersign_core::switching::Switch;
use countersign_core::verification::stands_at;
use http::Method;

use crate::app::App;
use crate::call::{Call, blocks, expiry, limits, member, optional, scopes};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::{
    KeyAmend, KeyCreate, KeyFilter, KeyMinted, KeyRotate, KeyVerdict, KeyVerify, KeyView, LimitState, Page,
    Replaced,
};

/// The most metadata on one key, in bytes of JSON; a bound, not a clause.
const MAX_METADATA: usize = 4096;

pub(crate) async fn create(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeyCreate = call.json()?;
    let act = Create { idempotency: call.idempotency("")?, ..creation(&call, asked)? };
    let minted = app.perform(&call.permit, &act).await?;
    let view = KeyView::new(&minted.record, app.now());
    Reply::created(&KeyMinted { view, key: minted.key.map(|key| key.expose().clone()), replaces: None })
}

/// Reads the terms of a new key.
pub(crate) fn creation(call: &Call, asked: KeyCreate) -> Result<Create, Failure> {
    let act = Create {
        owner: optional("owner", asked.owner.as_ref())?,
        prefix: optional("prefix", asked.prefix.as_ref())?,
        environment: optional("environment", asked.environment.as_ref())?.unwrap_or_default(),
        scopes: scopes("scopes", &asked.scopes)?,
        not_before: optional("not_before", asked.not_before.as_ref())?,
        expiry: expiry(asked.expires_at.as_ref(), asked.expires_in.as_ref())?,
        allowances: limits(&asked.limits)?,
        allow_from: blocks(&asked.allow_from)?,
        metadata: bounded(asked.metadata)?,
        name: asked.name,
        imported: None,
        idempotency: None,
    };
    Ok(Create { owner: act.owner.or_else(|| call.permit.principal().owner()), ..act })
}

fn bounded(
    metadata: serde_json::Map<String, serde_json::Value>,
) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let size = serde_json::to_vec(&metadata).map_or(usize::MAX, |text| text.len());
    if size > MAX_METADATA {
        return Err(Failure::Invalid(format!(
            "the member `metadata`: expected at most {MAX_METADATA} bytes of JSON"
        )));
    }
    Ok(metadata)
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    list_kind(app, &call, &api_key::KIND).await
}

pub(crate) async fn list_kind(app: &App, call: &Call, kind: &'static Kind) -> Result<Reply, Failure> {
    let now = app.now();
    let filter = KeyFilter::of_query(&call.query).parse(kind, now)?;
    let found = filter.scan(app, &call.permit, call.limit(), call.parameter("cursor")?).await?;
    let data: Vec<_> = found.records.iter().map(|record| KeyView::new(record, now)).collect();
    Reply::ok(&Page { data, next_cursor: found.next.map(|next| next.to_string()) })
}

/// Reads the id in the path; what is no id of `kind` names nothing.
pub(crate) fn id(call: &Call, kind: &'static Kind) -> Result<CredentialId, Failure> {
    let id: Option<CredentialId> = call.segment("id");
    id.filter(|id| kind.names(*id)).ok_or_else(|| Refusal::NotFound.into())
}

pub(crate) async fn show(app: &App, call: Call) -> Result<Reply, Failure> {
    let found = app.store.find(RecordOf(id(&call, &api_key::KIND)?)).await?;
    let record = visible(&api_key::KIND, &call.permit, found)?;
    Reply::ok(&KeyView::new(&record, app.now()))
}

pub(crate) async fn amend(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeyAmend = call.json()?;
    let act = Amend {
        kind: &api_key::KIND,
        id: id(&call, &api_key::KIND)?,
        scopes: asked.scopes.map(|tokens| scopes("scopes", &tokens.unwrap_or_default())).transpose()?,
        metadata: asked.metadata.map(|metadata| bounded(metadata.unwrap_or_default())).transpose()?,
        allowances: asked.limits.map(|asked| limits(&asked.unwrap_or_default())).transpose()?,
        allow_from: asked.allow_from.map(|asked| blocks(&asked.unwrap_or_default())).transpose()?,
        expiry: expiry(asked.expires_at.as_ref(), asked.expires_in.as_ref())?,
        switch: asked.enabled.map(|enabled| if enabled { Switch::Enabled } else { Switch::Disabled }),
        name: asked.name,
    };
    let record = app.perform(&call.permit, &act).await?;
    Reply::ok(&KeyView::new(&record, app.now()))
}

pub(crate) async fn rotate(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = rotation(&call, &api_key::KIND)?;
    rotated(app, &call, &act).await
}

/// Reads what a rotation asks for.
pub(crate) fn rotation(call: &Call, kind: &'static Kind) -> Result<Rotate, Failure> {
    let asked: KeyRotate = call.json()?;
    let overlap = asked.overlap.as_deref().map(countersign_core::duration::parse_duration).transpose();
    Ok(Rotate {
        kind,
        id: id(call, kind)?,
        overlap: overlap.map_err(|error| Failure::Invalid(format!("the member `overlap`: {error}")))?,
        expiry: expiry(asked.expires_at.as_ref(), asked.expires_in.as_ref())?,
    })
}

/// Rotates, and shows the successor.
pub(crate) async fn rotated(app: &App, call: &Call, act: &Rotate) -> Result<Reply, Failure> {
    let rotated = app.perform(&call.permit, act).await?;
    let replaced = &rotated.replaced;
    Reply::created(&KeyMinted {
        view: KeyView::new(&rotated.minted.record, app.now()),
        key: rotated.minted.key.map(|key| key.expose().clone()),
        replaces: Some(Replaced {
            id: replaced.id.to_string(),
            expires_at: replaced.revoked_at.or(replaced.expires_at).map(|end| end.to_string()),
        }),
    })
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = Revoke { kind: &api_key::KIND, id: id(&call, &api_key::KIND)? };
    let record = app.perform(&call.permit, &act).await?;
    Reply::ok(&KeyView::new(&record, app.now()))
}

pub(crate) async fn forget(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = Forget { kind: &api_key::KIND, id: id(&call, &api_key::KIND)? };
    app.perform(&call.permit, &act).await?;
    Ok(Reply::nothing())
}

pub(crate) async fn verify(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeyVerify = call.json()?;
    let question = Question::read(app, &asked)?;
    let verdict = match question {
        Some(question) => question.judge(app, &call, asked.key.trim()).await?,
        None => KeyVerdict { code: "no_route", ..KeyVerdict::default() },
    };
    Reply::ok(&verdict)
}

/// What the verify API is asked of a key.
struct Question {
    verification: Verification,
    address: Option<IpAddr>,
    route: Option<String>,
    cost: u32,
}

impl Question {
    /// Reads the question; `None`: it names a call that no route takes.
    fn read(app: &App, asked: &KeyVerify) -> Result<Option<Self>, Failure> {
        let mut question = Self {
            verification: Verification {
                scopes: scopes("scopes", &asked.scopes)?,
                environment: optional::<Environment>("environment", asked.environment.as_ref())?
                    .unwrap_or_default(),
                prefix: asked.prefix.as_ref().map(|prefix| member("prefix", prefix)).transpose()?,
                route: None,
            },
            address: optional("client_ip", asked.client_ip.as_ref())?,
            route: None,
            cost: asked.cost.unwrap_or(1),
        };
        let (method, path) = match (&asked.method, &asked.path) {
            (None, None) => return Ok(Some(question)),
            (Some(method), Some(path)) => (member::<Method>("method", method)?, path),
            (Some(_), None) | (None, Some(_)) => {
                return Err(Failure::Invalid("expected the members `method` and `path` together".to_owned()));
            }
        };
        let host = asked.host.as_deref().unwrap_or_default();
        let Some(route) = app.gateway.as_ref().and_then(|gateway| gateway.route(&method, host, path)) else {
            return Ok(None);
        };
        question.cost = asked.cost.unwrap_or(route.cost);
        question.verification.route = Some(route.requirement);
        question.route = Some(route.name);
        Ok(Some(question))
    }

    async fn judge(self, app: &App, call: &Call, text: &str) -> Result<KeyVerdict, Failure> {
        let refused = |code| KeyVerdict { code, route: self.route.clone(), ..KeyVerdict::default() };
        let (rows, snapshot) =
            (GATEWAY.iter().filter(|row| *row.kind == api_key::KIND), app.store.snapshot());
        let presentation = match recognise_told(rows, text, &**snapshot) {
            Some(Ok(presentation)) => presentation,
            Some(Err(rejection)) => {
                return Ok(KeyVerdict { code: rejection.code(), ..KeyVerdict::default() });
            }
            None => return Ok(refused(Rejection::UNKNOWN.code())),
        };
        let Some(presented) = presentation.members().next().map(Member::presented) else {
            return Ok(refused(Rejection::UNKNOWN.code()));
        };
        let found = Answer::of(app.store.look_up(presented.lookup()).await?)?;
        let stands = matches!(&found, Some(found) if stands_at(app.now(), &found.known));
        let judged = app.with_context(self.address, |context| {
            verify_key(context, &call.permit, presented, found, &self.verification)
        })?;
        if stands && matches!(&judged, Err(code) if *code == Rejection::UNKNOWN.code()) {
            // Another tenant's good key takes as long as one that never was.
            app.store.catch_up().await?;
        }
        match judged {
            Ok(good) => self.settle(app, good).await,
            Err(code) => Ok(refused(code)),
        }
    }

    /// Settles what the use of a good key leaves behind.
    async fn settle(self, app: &App, good: Good) -> Result<KeyVerdict, Failure> {
        let Good { known, principal, mut uses } = good;
        let now = app.now();
        // Last: a call that is refused for any other reason costs nothing.
        uses.extend(principal.meter().map(|meter| Use::Spend { meter: Arc::clone(meter), cost: self.cost }));
        match app.store.settle(now, uses).await? {
            Settled::Done(charges) => {
                app.store.used(&principal, now);
                let limits = charges.iter().flat_map(|charge| &charge.levels).map(LimitState::of).collect();
                // What verifiers do not need for a verdict is not in their memory.
                let named = app.store.find(RecordOf(known.id())).await?.map(|record| record.terms);
                Ok(KeyVerdict { limits, route: self.route, ..valid(&known, named) })
            }
            Settled::Exceeded(exceeded) => Ok(exhausted(&exceeded, self.route)),
            Settled::Lost => Err(Failure::Unavailable(Unavailable::Contended)),
        }
    }
}

fn exhausted(exceeded: &Exceeded, route: Option<String>) -> KeyVerdict {
    let limits = exceeded.levels.iter().map(LimitState::of).collect();
    KeyVerdict { code: exceeded.code(), limits, route, ..KeyVerdict::default() }
}

fn valid(known: &KnownCredential, named: Option<Terms>) -> KeyVerdict {
    let own = known.terms.own.0.get::<KeyEvidence>();
    let (name, metadata) = named.map(|terms| (terms.name, terms.metadata)).unzip();
    KeyVerdict {
        valid: true,
        code: "valid",
        id: Some(known.id().to_string()),
        name,
        owner: Some(known.owner.id().to_string()),
        organisation: Some(known.owner.organisation().to_string()),
        environment: own.map(|own| own.environment.to_string()),
        prefix: own.and_then(|own| own.prefix.as_ref()).map(ToString::to_string),
        scopes: Some(known.terms.scopes.iter().map(ToString::to_string).collect()),
        expires_at: known.life.expires_at.map(|end| end.to_string()),
        route: None,
        limits: Vec::new(),
        metadata: metadata.filter(|metadata| !metadata.is_empty()).map(serde_json::Value::Object),
    }
}
