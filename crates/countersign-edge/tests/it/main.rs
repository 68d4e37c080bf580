//! Listeners as peers see them: raw bytes on sockets, no client library.

#[cfg(test)]
mod listeners;
