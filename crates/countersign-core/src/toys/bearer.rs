//! A text `toy_<secret>`, or `toy_<secret>~<once>` that is good for one use; a cookie `toy` may carry it too. Who presents
//! the latter again is fined.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::audit::{Actor, AuditEvent};
use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::Unproven;
use crate::credential::Verified;
use crate::credential::{Recognition, Row, Verify};
use crate::decision::{Asked, Judge, OwnCriteria, OwnDenial};
use crate::effect::Use;
use crate::environment::Environment;
use crate::id::IdPrefix;
use crate::kind::{Kind, NotACondition, Setting, read, verbs};
use crate::ledger::{FoundCredential, Lookup, Used};
use crate::own::Own;
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::secret::Purpose;
use crate::verification;

pub(super) const ROW: Row =
    Row { kind: &KIND, ways: &[Way::Bearer, Way::Cookie, Way::KeyField, Way::Told], recognise };

/// How a caller with a toy is proven.
pub(super) const SCHEME: Scheme = Scheme::new("toy_bearer", Some("Bearer"));

/// What a toy that was used up is told.
pub(super) const REPLAYED: Rejection = Rejection::new("replayed", "the toy was used before");

/// What a replay costs.
pub(super) const FINE: u32 = 10;

pub(super) static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("toy"),
    verbs: verbs!("toy_bearer"),
    settings: &[Setting {
        name: "environment",
        holds: "`live` or `test`",
        default: "live",
        meaning: "The environment that the toy must be made for.",
    }],
    criteria,
    own: |terms| Arc::new(ToyEvidence { environment: terms.environment }),
    default_prefix: |_| "toy",
    longest_life: |_| None,
    excess: |_, _| None,
    due: |_| None,
    may_end: |_, _| Ok(()),
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ToyEvidence {
    pub(super) environment: Environment,
}

impl Own for ToyEvidence {}

#[derive(Debug, PartialEq)]
struct ToyCriteria {
    environment: Environment,
}

impl Judge for ToyCriteria {
    type Own = ToyEvidence;

    fn meets(&self, own: &ToyEvidence) -> Result<(), OwnDenial> {
        if own.environment == self.environment {
            return Ok(());
        }
        Err(OwnDenial {
            code: "wrong_environment",
            why: "the toy was made for another environment",
            nearness: 0,
        })
    }
}

fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    let environment = read(settings, "environment").map_err(|why| KIND.not("environment", why))?;
    Ok(OwnCriteria::new(ToyCriteria { environment: environment.unwrap_or_default() }).into())
}

struct PresentedToy<'a> {
    secret: &'a str,
    once: Option<&'a str>,
}

fn recognise<'a>(carried: Carried<'a>, _: &dyn DeclaredSets) -> Recognition<'a> {
    let text = if let Carried::Cookie { name: "toy", value } = carried { value } else { carried.key()?.0 };
    text.strip_prefix("toy_")?;
    let (secret, once) = text.split_once('~').map_or((text, None), |(secret, once)| (secret, Some(once)));
    if secret == "toy_" || once == Some("") {
        return Some(Err(Rejection::malformed("expected toy_<secret> or toy_<secret>~<once>")));
    }
    Some(Ok(Box::new(PresentedToy { secret, once })))
}

impl Verify for PresentedToy<'_> {
    type Answer = Option<FoundCredential>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Credential { kind: KIND.id_prefix, secret: self.secret, once: self.once }
    }

    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, _: Option<&Bytes>) -> Verified {
        let used = found.as_ref().is_some_and(|found| found.used == Used::Before);
        let mut proven = verification::verify(&KIND, context, found.as_ref())?;
        if used {
            let fine =
                proven.principal.meter().map(|meter| Use::Spend { meter: Arc::clone(meter), cost: FINE });
            let audit =
                AuditEvent::refused(context.now, KIND.verbs.verify, Actor::UNVERIFIED, REPLAYED.code());
            let uses = fine.into_iter().collect();
            return Err(Unproven { rejection: REPLAYED, uses, audit: Box::new(audit) });
        }
        let mark = self.once.map(|once| Use::Mark {
            lookup: context.peppers.current().hash(Purpose::FirstUse, once),
            until: context.now.plus(super::REMEMBERED),
        });
        proven.uses.extend(mark);
        Ok(proven)
    }
}
