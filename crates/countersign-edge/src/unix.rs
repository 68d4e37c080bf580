//! The local socket: for the operator on the same machine, whom the kernel names (SAFETY 5).
//!
//! **Invariant.** The file is open to its owner alone before anybody can connect, and a socket on which somebody
//! answers is never replaced.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use countersign_core::management_key::LocalPeer;
use thiserror::Error;

/// Why the local socket cannot start.
#[derive(Debug, Error)]
pub enum LocalBindError {
    /// Somebody answers there.
    #[error("{}: another process answers on this socket", .0.display())]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("{}: there is a file that is no socket", .0.display())]
    NotASocket(PathBuf),
    /// Anything else.
    #[error("{}: cannot listen on this socket", .path.display())]
    Other {
        /// Where.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Listens on `path` with mode 0600. What a dead process left there is replaced.
///
/// # Errors
///
/// [`LocalBindError`] by its reason.
pub fn bind_local(path: &Path) -> Result<UnixListener, LocalBindError> {
    let other = |source| LocalBindError::Other { path: path.to_owned(), source };
    clear(path)?;
    // Bound under a name of its own and moved in place once its mode is right: there is no moment at which
    // others could connect.
    let fresh = fresh_name(path);
    clear(&fresh)?;
    let listener = UnixListener::bind(&fresh).map_err(other)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(other)?;
    fs::rename(&fresh, path).map_err(other)?;
    listener.set_nonblocking(true).map_err(other)?;
    Ok(listener)
}

fn fresh_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn clear(path: &Path) -> Result<(), LocalBindError> {
    use std::os::unix::fs::FileTypeExt as _;
    let other = |source| LocalBindError::Other { path: path.to_owned(), source };
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
    };
    if !kind.is_socket() {
        return Err(LocalBindError::NotASocket(path.to_owned()));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(LocalBindError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(other)
}

/// Asks the kernel who the peer is.
pub(crate) fn peer(stream: &tokio::net::UnixStream) -> io::Result<LocalPeer> {
    let credentials = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(LocalPeer { peer_uid: credentials.uid.as_raw(), server_uid: rustix::process::geteuid().as_raw() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{LocalBindError, bind_local};

    #[test]
    fn safety_5_a_socket_that_answers_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.sock");
        let first = bind_local(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(bind_local(&path), Err(LocalBindError::InUse(_))));
        drop(first);
        assert!(bind_local(&path).is_ok(), "what a dead process left is replaced");
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind_local(&path), Err(LocalBindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
