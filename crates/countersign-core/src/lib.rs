//! The vocabulary and every decision of Countersign.
//!
//! Everything here is pure: values in, values out. There is no runtime, no SQL, no socket, no clock and no
//! operating-system randomness; `now` and entropy enter through [`context::Context`]. The one asynchronous
//! function is [`exchange`], which drives find → decide → commit against a [`ledger::Ledger`].
//!
//! **Invariant.** A [`principal::Principal`] is made only by a verification and a [`decision::Permit`] only by
//! [`decision::decide`]; both have private constructors named `assertion`.
//!
//! What it does not do: speak HTTP, store anything, log anything. The [`audit::AuditEvent`] is the log.

pub mod access_token;
pub mod account;
pub mod api_key;
pub mod assertion;
pub mod attempt;
pub mod audit;
pub mod authentication_context;
pub mod authenticators;
pub mod authority;
pub mod authorization;
pub mod authorization_code;
pub mod authorized;
pub mod base62;
mod cap;
pub mod carried;
pub mod change;
pub mod client;
pub mod client_authentication;
pub mod client_credentials;
pub mod client_terms;
pub mod context;
pub mod credential;
pub mod decision;
pub mod delegation;
pub mod device;
mod drawn;
pub mod due;
pub mod duration;
pub mod effect;
pub mod ending;
pub mod entropy;
pub mod environment;
pub mod exchange;
pub mod federation;
pub mod few;
pub mod foreign_token;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod good_signatures;
pub mod grant;
pub mod grant_ending;
pub mod grants;
pub mod id;
pub mod id_token_hint;
pub mod idempotency;
pub mod identity;
pub mod imported;
pub mod imported_set;
mod interned;
pub mod issuance;
pub mod issued;
pub mod issuing;
pub mod key_evidence;
pub mod key_string;
pub mod keyring;
pub mod kind;
pub mod kinds;
pub mod known;
pub mod leak;
pub mod learned;
pub mod ledger;
pub mod lifecycle;
pub mod mailed;
pub mod management_key;
pub mod meter;
pub mod minting;
pub mod network;
mod our_token;
pub mod own;
pub mod owner;
pub mod password;
pub mod person;
pub mod person_terms;
pub mod presentation;
pub mod principal;
pub mod question;
pub mod reach;
pub mod record;
pub mod redirect_uri;
pub mod refresh_token;
pub mod refreshing;
pub mod refusal;
pub mod registered;
pub mod rejection;
pub mod resource;
pub mod resource_jwks;
pub mod scheme;
pub mod scope;
pub mod secret;
pub mod seen_browser;
pub mod self_service;
mod settling;
pub mod sign_in;
mod signed_text;
pub mod signing_key;
pub mod signing_keys;
pub mod snapshot;
pub mod standing;
pub mod switching;
pub mod tagged;
mod takeover;
pub mod tally;
#[cfg(test)]
pub(crate) mod testing;
pub mod timestamp;
pub mod token;
pub mod token_cap;
pub mod token_ending;
#[cfg(test)]
mod toys;
pub mod typed_name;
pub(crate) mod uri;
pub mod verification;
pub mod web_app;
pub mod web_login;
pub mod web_session;
pub mod widening;
