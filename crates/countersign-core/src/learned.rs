//! What verifiers learn of a stored credential: some of its columns, and of its terms what verifying needs.
//!
//! The terms stay the text that is stored. Of most credentials it is enough to see that what verifying needs is written
//! in the same words as another's (`Words`); names, hints and what owners wrote on them are passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::record::{CredentialRecord, Life};
use crate::secret::SecretHash;
use crate::timestamp::Timestamp;

/// What verifiers learn of a stored credential.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The credential's name.
    pub id: CredentialId,
    /// The keyed hash by which it is found.
    pub lookup: SecretHash,
    /// Who it acts for.
    pub owner: OwnerId,
    /// Counts its changes.
    pub version: i64,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off, if it is.
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Its terms, as they are stored.
    pub terms: String,
}

impl From<&CredentialRecord> for Learned {
    fn from(record: &CredentialRecord) -> Self {
        Self {
            id: record.id,
            lookup: record.lookup,
            owner: record.owner,
            version: record.version,
            expires_at: record.expires_at,
            disabled_at: record.disabled_at,
            revoked_at: record.revoked_at,
            last_used_at: record.last_used_at,
            // What cannot be written cannot be read either, and is refused.
            terms: serde_json::to_string(&record.terms).unwrap_or_default(),
        }
    }
}

impl Learned {
    pub(crate) const fn life(&self, words: &Words<'_>) -> Life {
        Life {
            not_before: words.not_before,
            expires_at: self.expires_at,
            disabled: self.disabled_at.is_some(),
            revoked: self.revoked_at.is_some(),
        }
    }
}

/// Terms as they are written, a word for each member that verifying needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words<'a> {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    #[serde(borrow)]
    prefix: &'a RawValue,
    #[serde(rename = "hint")]
    _hint: IgnoredAny,
    #[serde(borrow)]
    environment: &'a RawValue,
    #[serde(borrow)]
    scopes: &'a RawValue,
    #[serde(borrow, default)]
    grantable: Option<&'a RawValue>,
    #[serde(default)]
    not_before: Option<Timestamp>,
    #[serde(default, rename = "of_installation")]
    _of_installation: IgnoredAny,
    #[serde(default, rename = "replaced_by")]
    _replaced_by: IgnoredAny,
    #[serde(borrow, default)]
    allowances: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) meter: Option<CredentialId>,
    #[serde(borrow, default)]
    allow_from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    imported: Option<&'a RawValue>,
    #[serde(default, rename = "disabled_by")]
    _disabled_by: IgnoredAny,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
}

impl Words<'_> {
    /// Returns what is the same for all credentials of a kind that are alike.
    pub(crate) fn common(&self, kind: IdPrefix) -> String {
        [
            kind.as_str(),
            self.prefix.get(),
            self.environment.get(),
            self.scopes.get(),
            self.grantable.map_or("", RawValue::get),
            self.allowances.map_or("", RawValue::get),
            self.allow_from.map_or("", RawValue::get),
            self.imported.map_or("", RawValue::get),
        ]
        // JSON holds no such character, so that no two lists of words are written alike.
        .join("\0")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Words;
    use crate::api_key;
    use crate::context::SeededEntropy;
    use crate::environment::Environment;
    use crate::id::CredentialId;
    use crate::management_key;
    use crate::record::Terms;
    use crate::timestamp::Timestamp;

    fn common(terms: &Terms) -> String {
        let text = serde_json::to_string(terms).unwrap();
        serde_json::from_str::<Words<'_>>(&text).unwrap().common(api_key::KIND.id_prefix)
    }

    fn terms() -> Terms {
        Terms::new("ci".into(), "cs_live".parse().unwrap(), Environment::Live, "a b".parse().unwrap())
    }

    #[test]
    fn names_and_what_owners_wrote_make_no_difference() {
        let other = Terms {
            name: "other".into(),
            hint: "cs_live_…1234".into(),
            not_before: Some(Timestamp::from_millis(5)),
            of_installation: true,
            replaced_by: Some(CredentialId::random(api_key::KIND.id_prefix, &mut SeededEntropy::new(1))),
            disabled_by: Some(crate::authority::Authority::Operator),
            metadata: serde_json::from_str(r#"{"team":"x"}"#).unwrap(),
            ..terms()
        };
        assert_eq!(common(&other), common(&terms()));
    }

    #[test]
    fn whatever_verifying_needs_makes_a_difference() {
        let rows = [
            terms(),
            Terms { prefix: "cs_test".parse().unwrap(), ..terms() },
            Terms { environment: Environment::Test, ..terms() },
            Terms { scopes: "a".parse().unwrap(), ..terms() },
            Terms { grantable: crate::scope::Grantable::new("a".parse().unwrap()), ..terms() },
            Terms { allow_from: vec!["10.0.0.0/8".parse().unwrap()], ..terms() },
            Terms {
                allowances: vec![crate::meter::Allowance {
                    name: "burst".parse().unwrap(),
                    amount: 1,
                    every: "1s".parse().unwrap(),
                }],
                ..terms()
            },
            Terms {
                imported: Some(Box::new(crate::imported_set::Imported {
                    set: crate::imported_set::ImportedSet::new(
                        "acme_",
                        None,
                        crate::imported_set::Digest::Sha256,
                        crate::imported_set::Part::Key,
                    )
                    .unwrap(),
                    upgraded: false,
                })),
                ..terms()
            },
        ];
        let written: BTreeSet<_> = rows.iter().map(common).collect();
        assert_eq!(written.len(), rows.len());
        let text = serde_json::to_string(&terms()).unwrap();
        let words: Words<'_> = serde_json::from_str(&text).unwrap();
        assert_ne!(words.common(management_key::KIND.id_prefix), words.common(api_key::KIND.id_prefix));
    }

    #[test]
    fn a_member_that_is_not_known_is_not_passed_over() {
        let text = serde_json::to_string(&terms()).unwrap();
        let more = text.replacen('{', r#"{"until_noon":true,"#, 1);
        assert!(serde_json::from_str::<Words<'_>>(&more).is_err());
    }
}
