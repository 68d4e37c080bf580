//! What stands between a store and its server: it hangs, or loses one answer.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;

/// A socket on which nothing is ever answered.
pub(crate) struct Hanging {
    directory: TempDir,
    _socket: UnixListener,
}

impl Hanging {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixListener::bind(socket(directory.path())).unwrap();
        Self { directory, _socket: socket }
    }

    pub(crate) fn host(&self) -> &Path {
        self.directory.path()
    }
}

/// Passes everything on, but for one answer.
pub(crate) struct Lossy {
    directory: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    hangs: AtomicBool,
    loses: AtomicBool,
    told: AtomicUsize,
}

impl Lossy {
    pub(crate) fn before(server: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(directory.path())).unwrap();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                if shared.hangs.load(Ordering::SeqCst) {
                    hanging.push(client);
                    continue;
                }
                let server = UnixStream::connect(socket(&server)).unwrap();
                pass(&client, &server, &shared);
            }
        });
        Self { directory, state }
    }

    pub(crate) fn host(&self) -> &Path {
        self.directory.path()
    }

    /// Loses the answer to the next COMMIT, and its connection with it.
    pub(crate) fn lose(&self) {
        self.state.loses.store(true, Ordering::SeqCst);
    }

    /// Says nothing more, on whatever connection.
    pub(crate) fn hang(&self) {
        self.state.hangs.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_lost(&self) -> bool {
        !self.state.loses.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the server has told.
    pub(crate) fn told(&self) -> usize {
        self.state.told.load(Ordering::SeqCst)
    }
}

fn socket(host: &Path) -> PathBuf {
    host.join(".s.PGSQL.5432")
}

fn pass(client: &UnixStream, server: &UnixStream, state: &Arc<State>) {
    let lost = Arc::<AtomicBool>::default();
    let both = || (client.try_clone().unwrap(), server.try_clone().unwrap());
    let ((mut asks, mut asked), (mut hears, mut tells)) = (both(), both());
    let (loses, losing) = (Arc::clone(state), Arc::clone(&lost));
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(count @ 1..) = asks.read(&mut bytes) {
            let heard = bytes.get(..count).unwrap();
            let commits = heard.windows(7).any(|seven| seven == b"COMMIT\0");
            if commits && loses.loses.swap(false, Ordering::SeqCst) {
                losing.store(true, Ordering::SeqCst);
            }
            if asked.write_all(heard).is_err() {
                break;
            }
        }
        let _gone = asked.shutdown(Shutdown::Both);
    });
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(count @ 1..) = tells.read(&mut bytes) {
            state.told.fetch_add(count, Ordering::SeqCst);
            while state.hangs.load(Ordering::SeqCst) {
                // Until the test's process ends.
                std::thread::park();
            }
            if lost.load(Ordering::SeqCst) || hears.write_all(bytes.get(..count).unwrap()).is_err() {
                break;
            }
        }
        let _gone = (hears.shutdown(Shutdown::Both), tells.shutdown(Shutdown::Both));
    });
}
