//! Effects become the steps of one batch.

use countersign_core::effect::Effect;
use countersign_core::id::OwnerId;
use countersign_core::kinds::kind_of;
use countersign_core::ledger::Unavailable;
use countersign_core::record::{CredentialRecord, Record};
use countersign_core::tally::Kept;
use countersign_core::timestamp::Timestamp;

use crate::{
    artifact, artifact_count, consent, credential, due, ended, identity, incarnation, mark, membership, meta,
    owner, person, resource, signing_key, taken_over, tally,
};
use countersign_database::statement::Step;
use countersign_database::value::corrupt;

/// Returns the steps that `effects` ask for, in their order. What they add to one tally is counted by one step, where the
/// first of them stands, and the caps that they name hold for all of it together.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if a record cannot be written.
pub(crate) fn steps(effects: &[Effect], node: &str, now: Timestamp) -> Result<Vec<Step>, Unavailable> {
    let mut sums = Vec::new();
    for tallied in effects.iter().filter_map(tallied) {
        match sums.iter_mut().find(|sum: &&mut Tallied| sum.is_of(&tallied)) {
            Some(sum) => sum.add(&tallied),
            None => sums.push(tallied),
        }
    }
    let mut steps = Vec::with_capacity(effects.len() + 2);
    for effect in effects {
        let first = tallied(effect).and_then(|one| sums.iter().position(|sum| sum.is_of(&one)));
        steps.extend(first.map(|first| sums.swap_remove(first).steps(node)).into_iter().flatten());
        steps.extend(step(effect, node, now)?);
    }
    Ok(steps)
}

/// What is added to one tally.
struct Tallied {
    organisation: OwnerId,
    kept: Kept,
    more: u64,
    /// What the tally must be below before anything is added.
    most: Option<u64>,
}

impl Tallied {
    fn is_of(&self, other: &Self) -> bool {
        self.organisation == other.organisation && self.kept == other.kept
    }

    /// Adds what comes later: its cap leaves less room, by what was added before it.
    fn add(&mut self, later: &Self) {
        let left = later.most.map(|most| most.saturating_sub(self.more));
        self.most = [self.most, left].into_iter().flatten().min();
        self.more = self.more.saturating_add(later.more);
    }

    fn steps(self, node: &str) -> impl Iterator<Item = Step> {
        let Self { organisation, kept, more, most } = self;
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        let cap = most.map(|most| tally::within(node, organisation, kept, most));
        let count = (more > 0).then(|| tally::add(node, organisation, kept, more));
        cap.into_iter().chain(count)
    }
}

/// Returns what an effect adds to a tally, or asks of it.
fn tallied(effect: &Effect) -> Option<Tallied> {
    let (organisation, kept, more, most) = match effect {
        Effect::Insert(Record::Credential(record)) => (record.organisation, Kept::Credentials, 1, None),
        Effect::Insert(Record::Owner(record)) if record.id != record.organisation => {
            (record.organisation, Kept::Members, 1, None)
        }
        Effect::Within { organisation, kept, most } => (*organisation, *kept, 0, Some(*most)),
        Effect::Insert(
            Record::Owner(_)
            | Record::Resource(_)
            | Record::SigningKey(_)
            | Record::Artifact(_)
            | Record::Consent(_)
            | Record::Person(_)
            | Record::Identity(_)
            | Record::Membership(_)
            | Record::Sealed(_)
            | Record::Incarnation(_),
        )
        | Effect::Remove(_)
        | Effect::Undeclare(_)
        | Effect::Discard { .. }
        | Effect::Abandon(_)
        | Effect::Withdraw(_)
        | Effect::Unregister(_)
        | Effect::Unlink(_)
        | Effect::UnlinkAll(_)
        | Effect::Leave(_)
        | Effect::Stands(_)
        | Effect::Advance(_)
        | Effect::Revoke { .. }
        | Effect::TakeOver(_)
        | Effect::Done(_)
        | Effect::End(_)
        | Effect::Room { .. }
        | Effect::Mark(_) => return None,
    };
    Some(Tallied { organisation, kept, more, most })
}

fn step(effect: &Effect, node: &str, now: Timestamp) -> Result<Vec<Step>, Unavailable> {
    Ok(vec![match effect {
        Effect::Within { .. } => return Ok(Vec::new()),
        Effect::Insert(Record::Credential(record)) => return asking(record, credential::insert(record)?),
        Effect::Insert(Record::Owner(record)) => owner::insert(record)?,
        Effect::Insert(Record::Resource(record)) => resource::insert(record)?,
        Effect::Advance(Record::Credential(next)) => return asking(next, credential::advance(next)?),
        Effect::Advance(Record::Owner(next)) => owner::advance(next)?,
        Effect::Advance(Record::Resource(next)) => resource::advance(next)?,
        Effect::Insert(Record::Person(record)) => person::insert(record)?,
        Effect::Advance(Record::Person(next)) => person::advance(next)?,
        Effect::Insert(Record::Identity(record)) => identity::insert(record),
        Effect::Unlink(record) => identity::remove(record),
        Effect::UnlinkAll(person) => identity::remove_of(*person),
        Effect::Insert(Record::Membership(record)) => membership::insert(record)?,
        Effect::Advance(Record::Membership(next)) => membership::advance(next)?,
        Effect::Insert(Record::SigningKey(record)) => {
            let work = record.due();
            return Ok(std::iter::once(signing_key::insert(record))
                .chain(work.as_ref().map(due::ask))
                .collect());
        }
        Effect::Advance(Record::SigningKey(next)) => signing_key::advance(next),
        Effect::Insert(Record::Artifact(record)) => artifact::insert(record),
        Effect::Advance(Record::Artifact(next)) => artifact::advance(next),
        Effect::Discard { kind, family } => artifact::discard(kind, *family),
        Effect::Abandon(session) => artifact::abandon(*session),
        Effect::Insert(Record::Consent(record)) => consent::insert(record),
        Effect::Advance(Record::Consent(next)) => consent::advance(next),
        Effect::Stands(record) => consent::stands(record),
        Effect::Withdraw(grant) => {
            return Ok(vec![consent::remove(*grant), artifact::discard_of_grant(*grant)]);
        }
        Effect::Insert(Record::Sealed(record)) => {
            meta::put_sealed(record.purpose, &record.owner, &record.value)
        }
        Effect::Advance(Record::Incarnation(n)) => incarnation::raise(*n),
        Effect::Advance(Record::Sealed(_) | Record::Identity(_)) | Effect::Insert(Record::Incarnation(_)) => {
            return Err(corrupt("an effect that no decision asks for"));
        }
        Effect::Room { owner, until, most } => artifact_count::take(node, *owner, *until, *most, now),
        Effect::End(record) => ended::end(record),
        Effect::Revoke { credential, at } => credential::revoke(*credential, *at),
        Effect::Remove(credential) => {
            return Ok(vec![tally::remove(node, *credential), credential::remove(*credential)]);
        }
        Effect::Undeclare(record) => resource::remove(record),
        Effect::Unregister(record) => {
            let theirs = [identity::remove_of(record.id), consent::remove_of(record.id)];
            return Ok(theirs.into_iter().chain(person::remove(record)).collect());
        }
        Effect::Leave(record) => membership::remove(record),
        Effect::TakeOver(record) => taken_over::insert(record),
        Effect::Mark(record) => mark::mark(record, now),
        Effect::Done(work) => due::done(work, now),
    }])
}

/// Writes a credential, and asks for the work that its kind has for it.
fn asking(record: &CredentialRecord, written: Step) -> Result<Vec<Step>, Unavailable> {
    let work = kind_of(record.id).and_then(|kind| (kind.due)(record));
    Ok(std::iter::once(written).chain(work.as_ref().map(due::ask)).collect())
}

#[cfg(test)]
mod tests {
    use countersign_core::effect::Effect;
    use countersign_core::tally::Kept;
    use countersign_core::timestamp::Timestamp;
    use countersign_database::value::Value;
    use countersign_testkit::Records;

    use super::steps;

    #[test]
    fn what_is_added_to_one_tally_is_counted_once_and_capped_together() {
        let mut records = Records::new(1);
        let (one, other) = (records.organisation(), records.organisation());
        let mut keys = |owner| Effect::Insert(records.key(owner).0.into());
        let within = |organisation, most| Effect::Within { organisation, kept: Kept::Credentials, most };
        let effects = [
            Effect::Insert(one.clone().into()),
            within(one.id, 5),
            keys(&one),
            within(one.id, 5),
            keys(&one),
            keys(&other),
            within(one.id, 3),
            keys(&one),
        ];
        let steps = steps(&effects, "a", Timestamp::from_millis(0)).unwrap();
        let written: Vec<_> = steps
            .iter()
            .map(|step| {
                let words: Vec<_> = step.statement.text().split_whitespace().take(3).collect();
                let number = step.parameters.get(2).filter(|_| step.statement.text().contains("tally"));
                (words.join(" "), number.cloned())
            })
            .collect();
        let row = |table: &str, number: Option<i64>| (format!("INSERT INTO {table}"), number.map(Value::Int));
        // The third is below 3 once two were added: the first has to find less than 1.
        let expected = [
            row("owner", None),
            row("tally", Some(1)),
            row("tally", Some(3)),
            row("credential", None),
            row("credential", None),
            row("tally", Some(1)),
            row("credential", None),
            row("credential", None),
        ];
        assert_eq!(written, expected);
    }
}
