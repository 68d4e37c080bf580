//! The HTTP edges of Countersign: the management API, the issuer listener, health and metrics.
//!
//! A handler parses, exchanges and renders; it decides nothing. [`endpoints::ENDPOINTS`] is the register from
//! which requests are dispatched, authorised and documented.
//!
//! **Invariant.** A handler that reads or changes anything receives a
//! [`Permit`](countersign_core::decision::Permit), which only a decision makes.

mod account;
mod account_apps;
mod account_clients;
mod account_identities;
mod account_keys;
mod account_password;
mod account_sessions;
pub mod admission;
pub mod app;
mod attempts;
pub mod desk;
pub mod due;
pub mod endpoint;
pub mod endpoints;
mod federation;
pub mod identity_provider;
mod issuer;
mod oauth;
mod observe;
pub mod openapi;
pub mod parameter;
pub mod placed;
mod places;

mod api_key;
mod audit;
mod authorize;
mod browser_name;
mod bulk;
mod by_form;
mod call;
mod client;
mod client_json;
pub mod client_keys;
pub mod cookie;
mod cors;
mod csrf;
mod decision;
mod device;
mod device_page;
pub mod devices;
pub mod failure;
pub mod first_use;
mod for_people;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod github;
mod github_keys;
mod grants;
pub mod guesses;
pub mod import;
pub mod intake;
pub mod json;
mod key_filter;
mod known_browser;
mod known_passwords;
pub mod leaks;
mod logout;
pub mod mail;
pub mod mail_queue;
mod mailed;
mod management_key;
mod metadata;
mod owner;
mod pages;
pub mod passwords;
pub mod received;
mod refused;
mod reload;
mod render;
pub mod reply;
mod resource;
pub mod schema;
mod session;
mod sign_in;
pub mod signers;
pub mod signing;
mod signing_key;
mod throttle;
mod token;
mod token_state;
mod tokens;
mod user;
mod user_json;
mod userinfo;
mod visit;
mod web_account;
pub mod web_app;
pub mod web_apps;
mod web_login;
pub mod web_session;
