//! Settings: one file, overridden by the environment, overridden by flags.
//!
//! [`register`] lists every setting once; the file is checked against it, the reference is printed from it and
//! environment variables are named by it. [`mod@file`] is what the user wrote; [`resolved`] is what is meant;
//! [`mod@difference`] is what changed between two files.

pub(crate) mod defaults;
pub(crate) mod difference;
pub(crate) mod file;
mod gateway;
mod identity_providers;
mod people;
pub(crate) mod register;
pub(crate) mod resolved;
pub(crate) mod resources;
pub(crate) mod retention;
