//! The JSON of the management API: what comes in, what goes out. Names of members are these fields' names.

use std::collections::BTreeMap;

use countersign_core::authority::Authority;
use countersign_core::key_string::KeyPrefix;
use countersign_core::meter::{Allowance, LimitLevel};
use countersign_core::record::{CredentialRecord, OwnerRecord};
use countersign_core::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Reads a member that `null` takes away; absent is `None`.
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Reads a member that may be absent, and not `null`: there is nothing to take away.
pub(crate) fn not_null<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// So many calls within each window.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// Its name, such as `burst`: told in the `RateLimit` header fields.
    pub(crate) name: String,
    /// How much may be spent within one window; a call costs 1 unless its route says otherwise.
    pub(crate) limit: u32,
    /// `10s`, `1m`, `1h`, … up to `366d`, aligned to UTC; `month`, a calendar month; `ever`, never refilled.
    pub(crate) window: String,
}

impl Limit {
    pub(crate) fn of(allowance: &Allowance) -> Self {
        Self {
            name: allowance.name.as_str().to_owned(),
            limit: allowance.amount,
            window: allowance.every.to_string(),
        }
    }
}

/// How a limit stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LimitState {
    /// The limit.
    #[serde(flatten)]
    pub(crate) limit: Limit,
    /// What is left of it in this window.
    pub(crate) remaining: u64,
    /// When the window ends (RFC 3339); `null`: never.
    pub(crate) resets_at: Option<String>,
}

impl LimitState {
    pub(crate) fn of(level: &LimitLevel) -> Self {
        Self {
            limit: Limit::of(&level.allowance),
            remaining: level.remaining,
            resets_at: level.resets_at.map(|end| end.to_string()),
        }
    }
}

/// Mints an API key.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyCreate {
    /// What people call it: 1 to 100 characters.
    pub(crate) name: String,
    /// Who it acts for. Default: the caller's owner.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// Its key set, such as `shss`, if the caller may give `key_set:shss`. Default: `cs_live` or `cs_test`, by
    /// environment.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// `live` (default) or `test`.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    /// What it may do: scope-tokens of RFC 6749 §3.3.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// How much it may be used: at most 8 limits, charged together or not at all. Default: without a limit.
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    /// The addresses or CIDR blocks that it may be used from. Default: anywhere.
    #[serde(default)]
    pub(crate) allow_from: Vec<String>,
    /// What its owner writes on it; answered by `keys/verify`. At most 4 KiB.
    #[serde(default)]
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    /// The first instant at which it works (RFC 3339). Default: at once.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// When it ends (RFC 3339); `null`: never.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Option<String>>,
    /// When it ends, as a time from now such as `90d`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<Option<String>>,
}

/// Which keys: those that meet every member that is there.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFilter {
    /// Of this owner.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) owner: Option<String>,
    /// In this state: `live`, `revoked`, `disabled` or `expired`.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) state: Option<String>,
    /// Of this key set.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) prefix: Option<String>,
    /// Made for this environment.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) environment: Option<String>,
    /// That end before this instant (RFC 3339).
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) expires_before: Option<String>,
    /// That live, and end within this time, such as `30d`.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) expiring_within: Option<String>,
    /// Minted before this instant (RFC 3339).
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) created_before: Option<String>,
    /// Not used since this instant (RFC 3339), or never.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) unused_since: Option<String>,
}

/// Revokes every key that a filter names.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysRevoke {
    /// Which keys; at least one member.
    #[serde(default)]
    pub(crate) filter: KeyFilter,
    /// Every key within reach, instead of a filter.
    #[serde(default)]
    pub(crate) all: bool,
    /// Only tells which keys would be revoked.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// `next_cursor` of the call before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

/// What a bulk revocation has ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeysRevoked {
    /// How many keys were, or would be, revoked by this call; at most 500.
    pub(crate) count: usize,
    /// Whether nothing was changed.
    pub(crate) dry_run: bool,
    /// The keys, as they were before.
    pub(crate) data: Vec<KeyView>,
    /// What to send as `cursor` to go on; `null`: every key was looked at.
    pub(crate) next_cursor: Option<String>,
}

/// Takes over keys that another system minted.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyImport {
    /// How the hashes were made: `sha256`, `sha512` or `hmac-sha256`.
    pub(crate) algorithm: String,
    /// How they are written: `hex` (default), `base64` or `base64url`.
    #[serde(default)]
    pub(crate) encoding: Option<String>,
    /// Of what they were made: the whole `key` (default), or the `secret` that follows the prefix.
    #[serde(default)]
    pub(crate) of: Option<String>,
    /// The key of the HMAC, as text; kept sealed.
    #[serde(default)]
    pub(crate) hmac_key: Option<String>,
    /// What the keys begin with, such as `acme_`: by it they are recognised.
    #[serde(default)]
    pub(crate) prefix: String,
    /// The header field that carries them, if it is neither `Authorization` nor `X-API-Key`.
    #[serde(default)]
    pub(crate) header: Option<String>,
    /// The key set that routes name. Default: the prefix without its last `_`.
    #[serde(default)]
    pub(crate) key_set: Option<String>,
    /// The keys: 1 to 1000.
    pub(crate) keys: Vec<ImportedKey>,
    /// Only tells what would be done.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// One key that another system minted, with its terms. Its key set is the import's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportedKey {
    /// The hash that the other system has stored.
    pub(crate) hash: String,
    /// The last four characters of the key, to be shown for ever; of a longer text the last four are kept.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// What people call it: 1 to 100 characters. Default: `imported`.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Who it acts for. Default: the caller's owner.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// `live` (default) or `test`.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    /// What it may do: scope-tokens of RFC 6749 §3.3.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// How much it may be used. Default: without a limit.
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    /// The addresses or CIDR blocks that it may be used from. Default: anywhere.
    #[serde(default)]
    pub(crate) allow_from: Vec<String>,
    /// What its owner writes on it. At most 4 KiB.
    #[serde(default)]
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    /// The first instant at which it works (RFC 3339). Default: at once.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// When it ends (RFC 3339); `null`: never.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Option<String>>,
    /// When it ends, as a time from now such as `90d`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<Option<String>>,
}

impl ImportedKey {
    /// Returns the terms, as those of a key of the set `prefix` that is minted.
    pub(crate) fn into_terms(self, prefix: &KeyPrefix) -> KeyCreate {
        KeyCreate {
            name: self.name.unwrap_or_else(|| "imported".to_owned()),
            owner: self.owner,
            prefix: Some(prefix.to_string()),
            environment: self.environment,
            scopes: self.scopes,
            limits: self.limits,
            allow_from: self.allow_from,
            metadata: self.metadata,
            not_before: self.not_before,
            expires_at: self.expires_at,
            expires_in: self.expires_in,
        }
    }
}

/// What became of an import.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeysImported {
    /// How many were taken over.
    pub(crate) imported: usize,
    /// How many were here before.
    pub(crate) existing: usize,
    /// How many were refused.
    pub(crate) refused: usize,
    /// Whether nothing was changed.
    pub(crate) dry_run: bool,
    /// What became of each, in their order.
    pub(crate) data: Vec<KeyImported>,
}

/// What became of one key.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyImported {
    /// Its position in the call, from 0.
    pub(crate) index: usize,
    /// `imported`, `exists` or `refused`.
    pub(crate) outcome: &'static str,
    /// Its id, if it was taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Changes an API key; what is absent stays, and `null` takes away.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAmend {
    /// The new name.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// The new scopes, all of them; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Option<Vec<String>>>,
    /// The new limits, all of them; what was spent of those that stay is kept. `null`: without a limit.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<Option<Vec<Limit>>>,
    /// The new addresses and CIDR blocks that it may be used from, all of them; `null`: anywhere.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) allow_from: Option<Option<Vec<String>>>,
    /// The new metadata, all of it; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Option<serde_json::Map<String, serde_json::Value>>>,
    /// The new end (RFC 3339); `null`: it never ends, as far as `api_key.max_lifetime` lets it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Option<String>>,
    /// The new end, as a time from now such as `90d`; `null`: never.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<Option<String>>,
    /// Whether it may be used.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(crate) enabled: Option<bool>,
}

/// Replaces a key by a successor with the same terms.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRotate {
    /// How long the old key goes on working, such as `24h`; `0s` revokes it. It never lives longer than before.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) overlap: Option<String>,
    /// When the successor ends (RFC 3339). Default: when the old key would have ended.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Option<String>>,
    /// When the successor ends, as a time from now such as `90d`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<Option<String>>,
}

/// Asks whether a key is good.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyVerify {
    /// The key as presented.
    pub(crate) key: String,
    /// Scopes that it must hold.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// The environment that it must be made for. Default: `live`.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    /// The key set that it must come from. Default: any.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// The address of the client that presented it. A key with `allow_from` is good for no unknown address.
    #[serde(default)]
    pub(crate) client_ip: Option<String>,
    /// With `path`: the method of the call. The key must then meet what the gateway's route requires.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// With `method`: the path of the call.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// With `method` and `path`: the host of the call, for routes that name hosts.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// What the call costs of the key's limits; 0 only looks. Default: what the route says, else 1.
    #[serde(default)]
    pub(crate) cost: Option<u32>,
}

/// Whether a key is good.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct KeyVerdict {
    /// Whether it is good for what was asked.
    pub(crate) valid: bool,
    /// `valid`, or the first reason: `malformed`, `unknown`, `revoked`, `disabled`, `expired`, `not_yet_valid`,
    /// `owner_disabled`, `address_not_allowed`, `wrong_environment`, `wrong_key_set`, `wrong_owner`,
    /// `insufficient_scope`, `no_route`, `rate_limited`, `quota_exceeded`.
    pub(crate) code: &'static str,
    /// The key's id, when it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Who it acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The owner's organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organisation: Option<String>,
    /// Where it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    /// Its key set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    /// What it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Vec<String>>,
    /// When it ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
    /// The name of the route that was called, if `method` and `path` were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// How its limits stand after the call, or why there is no room for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<LimitState>,
    /// What its owner wrote on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<serde_json::Value>,
}

/// A key as it is listed: never its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyView {
    /// Its name in the API.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Who it acts for.
    pub(crate) owner: String,
    /// The owner's organisation.
    pub(crate) organisation: String,
    /// Its key set.
    pub(crate) prefix: String,
    /// Its prefix and the last four characters of its body.
    pub(crate) hint: String,
    /// `live` or `test`.
    pub(crate) environment: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// What its holder may give to others; management keys only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) grantable: Vec<String>,
    /// How much it may be used; empty: without a limit.
    pub(crate) limits: Vec<Limit>,
    /// The addresses that it may be used from; empty: anywhere.
    pub(crate) allow_from: Vec<String>,
    /// What its owner wrote on it.
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    /// `live`, `revoked`, `disabled`, `expired` or `not_yet_valid`.
    pub(crate) state: &'static str,
    /// When it was minted.
    pub(crate) created_at: String,
    /// The first instant at which it works.
    pub(crate) not_before: Option<String>,
    /// When it ends.
    pub(crate) expires_at: Option<String>,
    /// When it was switched off.
    pub(crate) disabled_at: Option<String>,
    /// Whose word that was: `owner`, `organisation` or `operator`; nobody less enables it.
    pub(crate) disabled_by: Option<&'static str>,
    /// When it was revoked.
    pub(crate) revoked_at: Option<String>,
    /// When it was last used; up to a minute behind.
    pub(crate) last_used_at: Option<String>,
    /// The key that took its place.
    pub(crate) replaced_by: Option<String>,
}

impl KeyView {
    pub(crate) fn new(record: &CredentialRecord, now: Timestamp) -> Self {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            id: record.id.to_string(),
            name: record.terms.name.clone(),
            owner: record.owner.to_string(),
            organisation: record.organisation.to_string(),
            prefix: record.terms.prefix.to_string(),
            hint: record.terms.hint.clone(),
            environment: record.terms.environment.to_string(),
            scopes: record.terms.scopes.iter().map(ToString::to_string).collect(),
            grantable: record.terms.grantable.patterns().iter().map(ToString::to_string).collect(),
            limits: record.terms.allowances.iter().map(Limit::of).collect(),
            allow_from: record.terms.allow_from.iter().map(ToString::to_string).collect(),
            metadata: record.terms.metadata.clone(),
            state: record.life().state(now).name(),
            created_at: record.created_at.to_string(),
            not_before: text(record.terms.not_before),
            expires_at: text(record.expires_at),
            disabled_at: text(record.disabled_at),
            disabled_by: record.terms.disabled_by.map(Authority::name),
            revoked_at: text(record.revoked_at),
            last_used_at: text(record.last_used_at),
            replaced_by: record.terms.replaced_by.map(|id| id.to_string()),
        }
    }
}

/// A key that was just minted.
#[derive(Serialize, JsonSchema)]
pub(crate) struct KeyMinted {
    /// The key, as it is listed.
    #[serde(flatten)]
    pub(crate) view: KeyView,
    /// The key's text, shown this once; `null` when an `Idempotency-Key` is repeated.
    pub(crate) key: Option<String>,
    /// The key that it replaces, and when that ends; rotation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Replaced>,
}

/// A key that was rotated.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Replaced {
    /// Its id.
    pub(crate) id: String,
    /// When it stops working.
    pub(crate) expires_at: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// What to send as `cursor` for the next page; `null` at the end.
    pub(crate) next_cursor: Option<String>,
}

/// Mints a management key.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManagementKeyCreate {
    /// What people call it: 1 to 100 characters.
    pub(crate) name: String,
    /// Who it acts for. Default: the first organisation.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// What it may do at this API; at most what the caller may.
    pub(crate) scopes: Vec<String>,
    /// What it may give to API keys, at most what the caller may give. Scopes: exact or `prefix*`; key sets other
    /// than `cs_live` and `cs_test`: `key_set:PREFIX` or `key_set:PREFIX*`; everything: `*`.
    #[serde(default)]
    pub(crate) grantable: Vec<String>,
    /// When it ends (RFC 3339). Default: never.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Option<String>>,
    /// When it ends, as a time from now such as `90d`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<Option<String>>,
}

/// Enters an owner.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnerEnter {
    /// `organisation`, `client` or `user`.
    pub(crate) kind: String,
    /// What people call it: 1 to 100 characters.
    pub(crate) name: String,
    /// The organisation that a client or user belongs to. Default: the first organisation.
    #[serde(default)]
    pub(crate) organisation: Option<String>,
}

/// An owner as it is listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OwnerView {
    /// Its name in the API.
    pub(crate) id: String,
    /// `organisation`, `client` or `user`.
    pub(crate) kind: &'static str,
    /// What people call it.
    pub(crate) name: String,
    /// The organisation it belongs to.
    pub(crate) organisation: String,
    /// When it was entered.
    pub(crate) created_at: String,
    /// When it was switched off, if it is.
    pub(crate) disabled_at: Option<String>,
    /// Whose word that was: `owner`, `organisation` or `operator`; nobody less enables it.
    pub(crate) disabled_by: Option<&'static str>,
}

impl OwnerView {
    pub(crate) fn new(record: &OwnerRecord) -> Self {
        Self {
            id: record.id.to_string(),
            kind: record.id.kind().name(),
            name: record.name.clone(),
            organisation: record.organisation.to_string(),
            created_at: record.created_at.to_string(),
            disabled_at: record.disabled_at.map(|time| time.to_string()),
            disabled_by: record.disabled_by.map(Authority::name),
        }
    }
}

/// One event of the audit, as it was stored and hashed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditLine {
    /// The node whose chain the event belongs to.
    pub(crate) node: String,
    /// Its number in that chain, from 1.
    pub(crate) n: i64,
    /// The hash of the event and of all before it, hexadecimal.
    pub(crate) hash: String,
    /// The event: the exact JSON text that was hashed.
    pub(crate) body: String,
}

/// What was found of one node's chain.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChainView {
    /// Whose chain.
    pub(crate) node: String,
    /// How many events are whole, of those that are kept.
    pub(crate) events: i64,
    /// The hash after them, hexadecimal: keep it elsewhere, and a later look shows whether the past was changed.
    pub(crate) head: String,
    /// The number of the first event that was altered, removed or moved; `null`: none was.
    pub(crate) broken_at: Option<i64>,
}

/// What a reload of the settings has changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReloadView {
    /// What differs, in the order of the settings.
    pub changes: Vec<ChangeView>,
}

/// Something that differs between the settings in force before and those that are written now.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangeView {
    /// The setting; a route or an upstream by its name, or else by its position.
    pub setting: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// The same in words, with the values; a secret is never shown.
    pub words: String,
    /// Whether it waits for a restart.
    pub restart: bool,
}

/// What the issuer's listener serves.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IssuerView {
    /// The product's name.
    pub(crate) product: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// The `iss` of everything issued.
    pub(crate) issuer: String,
    /// The paths.
    pub(crate) serves: Vec<&'static str>,
    /// What is missing.
    pub(crate) note: &'static str,
}

/// How it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusView {
    /// `ok` or `ready`.
    pub(crate) status: &'static str,
}

/// The keys of the gateway's assertions (RFC 7517 §5).
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AssertionKeys {
    /// The public keys, those that will sign among them.
    keys: Vec<BTreeMap<String, String>>,
}

/// A protected resource, as it describes itself (RFC 9728 §2).
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResourceMetadata {
    /// Its identifier.
    resource: String,
    /// The issuers of its tokens.
    authorization_servers: Vec<String>,
    /// The scopes that it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes_supported: Option<Vec<String>>,
    /// How a token is presented: `header`.
    bearer_methods_supported: Vec<String>,
}

/// A route of the gateway.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RouteView {
    /// Its name or position.
    pub name: String,
    /// Its path pattern.
    pub path: String,
    /// Its methods; empty: all.
    pub methods: Vec<String>,
    /// Where permitted requests go.
    pub upstream: String,
    /// What it requires, in the words of the settings.
    pub require: String,
}

/// A decision that the gateway made lately.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DecisionView {
    /// Its id: the `instance` of the caller's problem document; `null`: it was permitted.
    pub id: Option<String>,
    /// When.
    pub at: String,
    /// The request's members: `method`, `path`, `route`, `scheme`, `credential`, `verdict`, `reason`.
    #[serde(flatten)]
    pub members: BTreeMap<&'static str, String>,
}
