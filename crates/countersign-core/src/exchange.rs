//! find → decide → commit, written once. The only asynchronous code of this crate.

use std::sync::Arc;

use bytes::Bytes;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::credential::{Presented, Proven, Unproven};
use crate::decision::{
    Challenge, Decision, Denial, Permit, Requirement, decide, rehearse as rehearse_requirement,
};
use crate::effect::{Outcome, Use};
use crate::few::Few;
use crate::grant::{GrantError, Granting, Issue, TokenRequest};
use crate::ledger::{Commit, Durable, Find, Ledger, Question, Settled, Unavailable};
use crate::meter::{Charge, Exceeded};
use crate::presentation::Presentation;
use crate::principal::Principal;
use crate::question::TokensOf;
use crate::rejection::Rejection;
use crate::timestamp::Timestamp;

/// How often a lost commit is decided again before the record counts as contended.
const ATTEMPTS: usize = 8;

/// Something that is to be done. Deciding does not consume it: a lost commit decides again.
pub trait Act: Send + Sync {
    /// The one question that it asks.
    type Question: Question;
    /// By whom: a [`crate::decision::Permit`], another proof, or [`System`].
    type By: Sync;
    /// What a granted act answers.
    type Answer: Send;
    /// Why it may be refused: its own reasons.
    type Reason: Send;

    /// Asks the question.
    fn question(&self, context: &Context<'_>, by: &Self::By) -> Self::Question;

    /// Decides; called again with fresh findings when the commit is lost.
    fn decide(
        &self,
        context: &mut Context<'_>,
        by: &Self::By,
        found: <Self::Question as Question>::Answer,
    ) -> Outcome<Self::Answer, Self::Reason>;

    /// Tells whether a refusal without effects is filed. Not where what was to be done is done already: nobody was
    /// refused anything.
    fn is_filed(&self, _reason: &Self::Reason) -> bool {
        true
    }
}

/// Who acts where nobody has asked: the product itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System;

/// What is asked of whoever presents something.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// What it is called in the audit.
    pub name: &'static str,
    /// What a caller must be.
    pub requirement: &'a Requirement,
    /// What is tried beside it, told, and never acted on (SAFETY 7).
    pub shadow: Option<&'a Requirement>,
    /// What it costs of the callers' limits.
    pub cost: u32,
}

/// The right to do it.
#[derive(Debug)]
pub struct Admitted {
    /// The proof.
    pub permit: Permit,
    /// How the limits of those who were proven stand.
    pub charges: Vec<Charge>,
}

/// Why it may not be done. The edge renders it and files its line.
#[derive(Debug)]
pub struct NotAdmitted {
    /// The reason.
    pub reason: Reason,
    /// The audit line.
    pub audit: AuditEvent,
}

impl NotAdmitted {
    /// What a refusal itself costs found no room, which is what the caller is told.
    fn outdone_by(self, exceeded: Exceeded) -> Box<Self> {
        let reason = Reason::Exceeded(exceeded);
        let audit = self.audit.turned_down(reason.code());
        Box::new(Self { reason, audit })
    }
}

/// Why somebody is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A credential is missing.
    Challenge(Challenge),
    /// What was presented proves nothing.
    Rejected(Rejection),
    /// Whoever was proven may not.
    Denied(Denial),
    /// A limit has no room.
    Exceeded(Exceeded),
}

impl Reason {
    /// Returns the stable name: the reason in audit and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Challenge(_) => "credential_required",
            Self::Rejected(rejection) => rejection.code(),
            Self::Denied(denial) => denial.code(),
            Self::Exceeded(exceeded) => exceeded.code(),
        }
    }
}

/// The answer to whoever presents something, and what the shadow would have made of it.
#[derive(Debug)]
pub struct Admission {
    /// Whether it may be done. A refusal is boxed: it is large and rare.
    pub answer: Result<Admitted, Box<NotAdmitted>>,
    /// What the shadow requirement says of whoever was proven; `None`: there is none, or nobody was.
    pub shadow: Option<Result<(), &'static str>>,
}

/// Finds and verifies what is presented, decides, and settles what that leaves behind; again if a mark is lost.
///
/// # Errors
///
/// [`Unavailable`] if it is not known whether it may be done.
pub async fn admit<L: Ledger>(
    ledger: &L,
    context: &mut Context<'_>,
    action: &Action<'_>,
    presentation: &Presentation<'_>,
    body: Option<&Bytes>,
) -> Result<Admission, Unavailable> {
    if action.requirement.asks_for_credential() {
        ledger.ready()?;
    }
    for _attempt in 0..ATTEMPTS {
        let proven = prove(ledger, context, presentation, body).await?;
        let (judged, shadow) = judge(context.now, action, proven);
        if let Some(answer) = conclude(ledger, context.now, action, judged).await? {
            return Ok(Admission { answer, shadow });
        }
    }
    Err(Unavailable::Contended)
}

/// What was proven of what is presented: nobody, or all; and what that leaves behind.
pub(crate) struct Members {
    pub(crate) all: Option<Few<Principal>>,
    uses: Vec<Use>,
}

/// What a decision makes of it, before it is settled.
struct Judged {
    answer: Result<Permit, Box<NotAdmitted>>,
    uses: Vec<Use>,
}

/// Finds and verifies everything that is presented. A rejection leaves behind what *it* wants, and nothing of what was
/// proven before it.
pub(crate) async fn prove<L: Ledger>(
    ledger: &L,
    context: &mut Context<'_>,
    presentation: &Presentation<'_>,
    body: Option<&Bytes>,
) -> Result<Result<Members, Unproven>, Unavailable> {
    let mut members = Members { all: None, uses: Vec::new() };
    for member in presentation.members() {
        let found = ledger.look_up(member.presented().lookup()).await?;
        match member.presented().verify(context, found, body)? {
            Ok(proven) => {
                members.all = Some(Few::with(members.all, proven.principal));
                members.uses.extend(proven.uses);
            }
            Err(unproven) => return Ok(Err(unproven)),
        }
    }
    Ok(Ok(members))
}

fn judge(
    now: Timestamp,
    action: &Action<'_>,
    proven: Result<Members, Unproven>,
) -> (Judged, Option<Result<(), &'static str>>) {
    let Members { all, mut uses } = match proven {
        Ok(members) => members,
        Err(Unproven { rejection, uses, audit }) => {
            let refused = NotAdmitted { reason: Reason::Rejected(rejection), audit: *audit };
            return (Judged { answer: Err(Box::new(refused)), uses }, None);
        }
    };
    let shadow = action.shadow.map(|shadow| rehearse_requirement(all.as_ref(), shadow));
    let subject = all.as_ref().map(Few::first).cloned();
    let answer = match decide(all, action.requirement) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Challenge(challenge) => Err(Reason::Challenge(challenge)),
        Decision::Deny(denial) => Err(Reason::Denied(denial)),
    };
    let answer = answer.map_err(|reason| action.refused(now, subject.as_ref(), reason));
    match &answer {
        // Last: what is refused for any other reason costs nothing.
        Ok(permit) => uses.extend(spent(permit, action.cost)),
        Err(_) => uses.clear(),
    }
    (Judged { answer, uses }, shadow)
}

impl Action<'_> {
    /// Refuses whoever was proven, with the line of it.
    fn refused(&self, now: Timestamp, subject: Option<&Principal>, reason: Reason) -> Box<NotAdmitted> {
        let actor = subject.map_or(Actor::UNVERIFIED, Actor::of);
        let audit = AuditEvent::refused(now, self.name, actor, reason.code());
        Box::new(NotAdmitted { reason, audit: audit.within(subject.and_then(Principal::organisation)) })
    }
}

/// What a permit costs: one charge for each meter.
fn spent(permit: &Permit, cost: u32) -> impl Iterator<Item = Use> {
    let meters = permit.members().iter().filter_map(Principal::meter);
    meters.map(move |meter| Use::Spend { meter: Arc::clone(meter), cost })
}

/// Settles; `None`: a mark was lost, decide again.
async fn conclude<L: Ledger>(
    ledger: &L,
    now: Timestamp,
    action: &Action<'_>,
    judged: Judged,
) -> Result<Option<Result<Admitted, Box<NotAdmitted>>>, Unavailable> {
    let Judged { answer, uses } = judged;
    let settled = match uses.is_empty() {
        true => Settled::Done(Vec::new()),
        false => ledger.settle(now, uses).await?,
    };
    Ok(match (settled, answer) {
        (Settled::Lost, _) => None,
        (Settled::Done(charges), Ok(permit)) => {
            permit.members().iter().for_each(|member| ledger.used(member, now));
            Some(Ok(Admitted { permit, charges }))
        }
        (Settled::Exceeded(exceeded), Ok(permit)) => {
            Some(Err(action.refused(now, Some(permit.principal()), Reason::Exceeded(exceeded))))
        }
        (Settled::Exceeded(exceeded), Err(refused)) => Some(Err(refused.outdone_by(exceeded))),
        (Settled::Done(_), Err(refused)) => Some(Err(refused)),
    })
}

/// Finds and verifies one credential, and settles what that leaves behind; again if a mark is lost. For a door that asks for
/// a principal and gives no permit: the token endpoint's. A refusal is filed.
///
/// # Errors
///
/// [`Unavailable`] if it is not known who it is.
pub async fn authenticate<L: Ledger>(
    ledger: &L,
    context: &mut Context<'_>,
    presented: &dyn Presented,
) -> Result<Result<Principal, Rejection>, Unavailable> {
    ledger.ready()?;
    for _attempt in 0..ATTEMPTS {
        let found = ledger.look_up(presented.lookup()).await?;
        let (answer, uses) = match presented.verify(context, found, None)? {
            Ok(Proven { principal, uses }) => (Ok(principal), uses),
            Err(Unproven { rejection, uses, audit }) => (Err((rejection, audit)), uses),
        };
        if !uses.is_empty() && ledger.settle(context.now, uses).await? == Settled::Lost {
            continue;
        }
        return Ok(match answer {
            Ok(principal) => {
                ledger.used(&principal, context.now);
                Ok(principal)
            }
            Err((rejection, audit)) => {
                ledger.file(*audit);
                Err(rejection)
            }
        });
    }
    Err(Unavailable::Contended)
}

/// Performs an act: finds, decides and commits, again if the commit is lost. A refusal that changes nothing is filed.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer or the record stays contended.
pub async fn perform<S: Durable + Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    act: &A,
) -> Result<Result<A::Answer, A::Reason>, Unavailable> {
    for _attempt in 0..ATTEMPTS {
        let Outcome { answer, effects, audit } = rehearse(store, context, by, act).await?;
        if let Err(reason) = &answer
            && effects.is_empty()
        {
            // Nobody buys a durable commit with a guess.
            if act.is_filed(reason) {
                store.file(audit);
            }
            return Ok(answer);
        }
        if store.commit(effects, vec![audit]).await? == Commit::Done {
            return Ok(answer);
        }
    }
    Err(Unavailable::Contended)
}

/// Performs many acts of one caller, each as [`perform`] does, and answers them in their order. They are committed together;
/// if that is lost, each half by itself, so that what stands in the way of one costs the others little.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer or a record stays contended.
pub async fn perform_each<S: Durable + Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    acts: &[A],
) -> Result<Vec<Result<A::Answer, A::Reason>>, Unavailable> {
    let mut answers = Vec::with_capacity(acts.len());
    let mut waiting = vec![acts];
    while let Some(some) = waiting.pop() {
        if let [act] = some {
            answers.push(perform(store, context, by, act).await?);
        } else if let Some(together) = perform_together(store, context, by, some).await? {
            answers.extend(together);
        } else {
            let (first, second) = some.split_at(some.len() / 2);
            waiting.extend([second, first]);
        }
    }
    Ok(answers)
}

/// Performs acts in one commit; `None`: it was lost.
async fn perform_together<S: Durable + Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    acts: &[A],
) -> Result<Option<Vec<Result<A::Answer, A::Reason>>>, Unavailable> {
    let questions = acts.iter().map(|act| act.question(context, by)).collect();
    let found = store.find_each(questions).await?;
    let (mut all, mut audits, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    let mut answers = Vec::with_capacity(acts.len());
    for (act, found) in acts.iter().zip(found) {
        let Outcome { answer, effects, audit } = act.decide(context, by, found);
        match &answer {
            Err(reason) if effects.is_empty() => refusals.extend(act.is_filed(reason).then_some(audit)),
            Ok(_) | Err(_) => audits.push(audit),
        }
        all.extend(effects);
        answers.push(answer);
    }
    if !audits.is_empty() && store.commit(all, audits).await? == Commit::Lost {
        return Ok(None);
    }
    refusals.into_iter().for_each(|refusal| store.file(refusal));
    Ok(Some(answers))
}

/// Redeems a token request of a proven client, and issues what it asks for; again if the commit is lost. What a grant
/// wants done is done though nothing is issued for it: a code is burnt. A refusal that changes nothing is filed.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer, the grant stays contended, or nothing can be issued.
pub async fn issue<S: Durable + Find<TokensOf>, I: Issue>(
    store: &S,
    context: &mut Context<'_>,
    issuer: &I,
    client: &Principal,
    request: &dyn TokenRequest,
) -> Result<Result<I::Issued, GrantError>, Unavailable> {
    let mut kept = None;
    for _attempt in 0..ATTEMPTS {
        let found = store.look_up(request.lookup()).await?;
        let Outcome { answer, mut effects, audit } = request.decide(context, client, found)?;
        let (answer, audit) = match answer {
            Ok(redeemed) => {
                let granting = Granting { grant_type: request.grant_type(), audit, kept };
                let issued = issuer.issue(context, client, &redeemed, granting)?;
                effects.extend(issued.effects);
                (issued.answer, issued.audit)
            }
            Err(error) => (Err(error), audit),
        };
        if let Err(error) = &answer
            && effects.is_empty()
        {
            // That a device has to wait is no refusal.
            if *error != GrantError::AuthorizationPending {
                store.file(audit);
            }
            return Ok(answer);
        }
        if store.commit(effects, vec![audit]).await? == Commit::Done {
            return Ok(answer);
        }
        // Nearly always there is room: it is asked where a commit was lost.
        let question = TokensOf { client: client.client(), organisation: client.organisation() };
        kept = Some(store.find(question).await?);
    }
    Err(Unavailable::Contended)
}

/// Finds and decides as [`perform`] does, and commits nothing.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer.
pub async fn rehearse<S: Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    act: &A,
) -> Result<Outcome<A::Answer, A::Reason>, Unavailable> {
    let found = store.find(act.question(context, by)).await?;
    Ok(act.decide(context, by, found))
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, Act, System};
    use crate::api_key;
    use crate::audit::{Actor, AuditEvent};
    use crate::authenticators::GATEWAY;
    use crate::context::Context;
    use crate::effect::{Effect, Outcome};
    use crate::id::CredentialId;
    use crate::ledger::Unavailable;
    use crate::lifecycle::Amend;
    use crate::question::RecordOf;
    use crate::record::{CredentialRecord, MarkRecord};
    use crate::refusal::Refusal;
    use crate::rejection::Rejection;
    use crate::secret::SecretHash;
    use crate::testing::{Ground, HOUR, NOW, revoke, unchanged};

    fn rename(id: CredentialId) -> Amend {
        Amend { name: Some("deploy".into()), ..unchanged(id) }
    }

    #[test]
    fn a_lost_commit_is_decided_again_on_what_is_stored_then() {
        let mut ground = Ground::new();
        let record = ground.api_key(&ground.organisation.clone(), "").0;
        let (id, end) = (record.id, NOW.plus(HOUR));
        ground.store.meanwhile(move |tables| {
            let other = tables.credentials.get_mut(&id).unwrap();
            (other.version, other.expires_at) = (other.version + 1, Some(end));
        });
        let amended = ground.perform(&ground.caller("keys:write", ""), &rename(id)).unwrap();
        assert_eq!((amended.version, amended.expires_at), (record.version + 2, Some(end)));
        assert_eq!(ground.store.stored(id), Some(amended), "neither change is lost");
        let tables = ground.store.tables();
        assert_eq!((tables.asked, tables.committed.len(), tables.filed.len()), (2, 1, 0));
    }

    #[test]
    fn many_acts_are_one_commit_and_each_is_its_own_if_that_is_lost() {
        for (losing, asked) in [(0, 3), (1, 6), (2, 7)] {
            let mut ground = Ground::new();
            let organisation = ground.organisation.clone();
            let ids = [ground.api_key(&organisation, "").0.id, ground.api_key(&organisation, "").0.id];
            let stranger = ground.stranger();
            let foreign = ground.api_key(&stranger, "").0.id;
            ground.store.tables().losing = losing;
            let acts = [revoke(ids[0]), revoke(foreign), revoke(ids[1])];
            let answers = ground.perform_each(&ground.caller("keys:write", ""), &acts);
            let answers: Vec<_> = answers.into_iter().map(|answer| answer.map(|record| record.id)).collect();
            assert_eq!(answers, [Ok(ids[0]), Err(Refusal::NotFound), Ok(ids[1])]);
            assert!(ids.iter().all(|id| ground.store.stored(*id).unwrap().revoked_at.is_some()));
            let tables = ground.store.tables();
            assert_eq!((tables.asked, tables.committed.len(), tables.filed.len()), (asked, 2, 1), "{losing}");
        }
    }

    #[test]
    fn what_was_granted_is_refused_when_it_no_longer_may_be() {
        let mut ground = Ground::new();
        let id = ground.api_key(&ground.organisation.clone(), "").0.id;
        ground.store.meanwhile(move |tables| {
            let other = tables.credentials.get_mut(&id).unwrap();
            (other.version, other.revoked_at) = (other.version + 1, Some(NOW));
        });
        let refused = ground.perform(&ground.caller("keys:write", ""), &rename(id)).unwrap_err();
        assert_eq!(refused, Refusal::Revoked);
        let tables = ground.store.tables();
        assert_eq!((tables.committed.len(), tables.filed.len()), (0, 1), "one line for one answer");
    }

    #[test]
    fn a_record_that_keeps_changing_is_contended() {
        for (losing, expected) in [(0, None), (ATTEMPTS - 1, None), (ATTEMPTS, Some(Unavailable::Contended))]
        {
            let mut ground = Ground::new();
            let id = ground.api_key(&ground.organisation.clone(), "").0.id;
            ground.store.tables().losing = losing;
            let attempt = ground.attempt(&ground.caller("keys:write", ""), &revoke(id));
            assert_eq!(attempt.map(Result::unwrap).err(), expected, "{losing}");
            assert_eq!(ground.store.stored(id).unwrap().revoked_at.is_some(), expected.is_none());
            assert_eq!(ground.store.tables().asked, (losing + 1).min(ATTEMPTS));
        }
    }

    #[test]
    fn a_refusal_that_changes_nothing_is_filed_and_not_committed() {
        let mut ground = Ground::new();
        let stranger = ground.stranger();
        let id = ground.api_key(&stranger, "").0.id;
        let refused = ground.perform(&ground.caller("keys:write", "*"), &revoke(id)).unwrap_err();
        assert_eq!(refused, Refusal::NotFound);
        let (committed, filed) = ground.store.lines();
        assert_eq!((committed, filed.unwrap().reason.as_deref()), (None, Some("not_found")));
    }

    /// Guesses at a secret.
    struct Guess {
        /// Whether the store counts it.
        counted: bool,
        /// Whether it is worth a line.
        filed: bool,
    }

    impl Act for Guess {
        type Question = RecordOf;
        type By = System;
        type Answer = ();
        type Reason = &'static str;

        fn question(&self, _: &Context<'_>, _: &System) -> RecordOf {
            RecordOf(CredentialId::unset(api_key::KIND.id_prefix))
        }

        fn decide(
            &self,
            context: &mut Context<'_>,
            _: &System,
            _: Option<CredentialRecord>,
        ) -> Outcome<(), &'static str> {
            let (lookup, made, until) = (SecretHash::UNSET, String::new(), context.now);
            let count = Effect::Mark(MarkRecord { lookup, made, until });
            let audit = AuditEvent::refused(context.now, "guess", Actor::UNVERIFIED, "wrong");
            Outcome::refused("wrong", self.counted.then_some(count).into_iter().collect(), audit)
        }

        fn is_filed(&self, _: &&'static str) -> bool {
            self.filed
        }
    }

    #[test]
    fn a_refusal_is_committed_with_its_effects_and_without_effects_buys_no_commit() {
        for (counted, filed, committed, lines) in
            [(false, true, 0, 1), (false, false, 0, 0), (true, true, 1, 0), (true, false, 1, 0)]
        {
            let mut ground = Ground::new();
            assert_eq!(ground.perform(&System, &Guess { counted, filed }), Err("wrong"));
            let tables = ground.store.tables();
            assert_eq!((tables.committed.len(), tables.filed.len()), (committed, lines));
            assert_eq!(tables.marks.len(), committed, "what the refusal wants done is done");
        }
    }

    #[test]
    fn of_many_acts_a_refusal_with_effects_is_committed_and_one_without_is_filed() {
        let mut ground = Ground::new();
        let acts = [Guess { counted: true, filed: true }, Guess { counted: false, filed: true }];
        assert_eq!(ground.perform_each(&System, &acts), [Err("wrong"), Err("wrong")]);
        let tables = ground.store.tables();
        assert_eq!((tables.committed.len(), tables.filed.len(), tables.marks.len()), (1, 1, 1));
    }

    #[test]
    fn what_is_lost_together_is_tried_in_halves() {
        let mut ground = Ground::new();
        let organisation = ground.organisation.clone();
        let acts: Vec<_> = (0..4).map(|_| revoke(ground.api_key(&organisation, "").0.id)).collect();
        let asked = ground.store.tables().asked;
        ground.store.tables().losing = 2;
        let answers = ground.perform_each(&ground.caller("keys:write", ""), &acts);
        assert!(answers.iter().all(Result::is_ok));
        // All four, the first two, each of them, the last two.
        assert_eq!(ground.store.tables().asked - asked, 4 + 2 + 1 + 1 + 2);
    }

    #[test]
    fn a_rehearsal_decides_and_changes_nothing() {
        let mut ground = Ground::new();
        let record = ground.api_key(&ground.organisation.clone(), "").0;
        let (caller, act) = (ground.caller("keys:write", ""), revoke(record.id));
        let outcome = ground.rehearse(&caller, &act).unwrap();
        assert!(outcome.answer.unwrap().revoked_at.is_some());
        assert_eq!(outcome.effects.len(), 1);
        assert_eq!(ground.store.stored(record.id), Some(record));
        assert_eq!(ground.store.lines(), (None, None));
    }

    #[test]
    fn a_store_that_does_not_answer_is_no_refusal() {
        let down = || Unavailable::Store("gone".into());
        let mut ground = Ground::new();
        let (record, key) = ground.api_key(&ground.organisation.clone(), "");
        let (caller, act) = (ground.caller("keys:write", ""), revoke(record.id));
        ground.store.meanwhile(move |tables| tables.down = Some(down()));
        assert_eq!(ground.attempt(&caller, &act).map(Result::unwrap), Err(down()), "while it commits");
        assert_eq!(ground.attempt(&caller, &act).map(Result::unwrap), Err(down()), "when it is asked");
        assert_eq!(ground.store.stored(record.id), Some(record));
        let fields = [("x-api-key", key.as_str())];
        assert_eq!(ground.attempt_present(GATEWAY, &fields).map(Result::err), Err(down()));
    }

    #[test]
    fn what_is_presented_is_found_and_verified() {
        let mut ground = Ground::new();
        let (record, key) = ground.api_key(&ground.organisation.clone(), "a");
        let principal = ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap().unwrap();
        assert_eq!(principal.credential(), Some(record.id));
        ground.store.tables().credentials.clear();
        assert_eq!(ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap_err(), Rejection::UNKNOWN);
    }
}
