//! Listeners as peers see them: raw bytes on sockets, no client library.

#[cfg(test)]
mod http2;
#[cfg(test)]
mod listeners;
