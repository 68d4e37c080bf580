//! The store, on both databases.

mod commits;
mod feed;
mod opening;
mod pages;
mod raw;
mod reports;
mod safety;
