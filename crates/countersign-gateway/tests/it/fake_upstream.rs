//! An upstream that says what it was told, or does mischief.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::client::find;
use crate::support::PATIENCE;

/// An upstream whose answer is the request it received, unless the path asks for mischief.
pub(crate) struct FakeUpstream {
    pub(crate) address: SocketAddr,
    /// Every head that was received.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// Whether `/healthz` is answered with 503.
    pub(crate) unwell: Arc<AtomicBool>,
    /// Connections that were accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    /// Rings when a request for `/…/wait` has arrived; what is sent back lets it be answered.
    pub(crate) waiting: mpsc::Receiver<mpsc::Sender<()>>,
    /// Rings when a connection on which `/…/hang` waits was closed by the gateway.
    pub(crate) gone: mpsc::Receiver<()>,
}

impl FakeUpstream {
    pub(crate) fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Starts two that differ by their address and not by their port, on 127.0.0.1 and 127.0.0.2.
    pub(crate) fn pair() -> [Self; 2] {
        let pairs = std::iter::repeat_with(|| {
            let first = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            TcpListener::bind(("127.0.0.2", port)).ok().map(|second| [first, second])
        });
        { pairs }.take(100).flatten().next().expect("a port that is free on both").map(Self::on)
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (ring, waiting) = mpsc::channel();
        let (hung_up, gone) = mpsc::channel();
        let unwell = Arc::new(AtomicBool::new(false));
        let (kept, counted, told) = (Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&unwell));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (seen, ring, hung_up) = (Arc::clone(&kept), ring.clone(), hung_up.clone());
                let unwell = Arc::clone(&told);
                let exchange = Exchange { stream, pending: Vec::new(), seen, unwell, ring, hung_up };
                std::thread::spawn(move || exchange.run());
            }
        });
        Self { address, seen, unwell, connections, waiting, gone }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

const EVENT: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n";

/// One connection of the upstream.
struct Exchange {
    stream: TcpStream,
    pending: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
    unwell: Arc<AtomicBool>,
    ring: mpsc::Sender<mpsc::Sender<()>>,
    hung_up: mpsc::Sender<()>,
}

impl Exchange {
    /// Answers until the gateway closes, or mischief ends the connection.
    fn run(mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        while self.request().and_then(|(path, text)| self.answer(&path, &text)).is_some() {}
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }

    /// Reads a request: its target, and its whole text.
    fn request(&mut self) -> Option<(String, String)> {
        let end = loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.pending[..end]).into_owned();
        self.seen.lock().unwrap().push(head.clone());
        if head.contains("transfer-encoding: chunked") {
            return self.chunked(&head, end);
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = end + length.map_or(0, |text| text.parse::<usize>().unwrap());
        while self.pending.len() < end {
            self.more()?;
        }
        let text = String::from_utf8_lossy(&self.pending.drain(..end).collect::<Vec<_>>()).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Some((path, text))
    }

    /// Reads up to the last chunk; the echo shows the chunks as they came.
    fn chunked(&mut self, head: &str, end: usize) -> Option<(String, String)> {
        let last = loop {
            if let Some(last) = find(&self.pending[end..], b"0\r\n\r\n") {
                break end + last + 5;
            }
            self.more()?;
        };
        let text = String::from_utf8_lossy(&self.pending.drain(..last).collect::<Vec<_>>()).into_owned();
        Some((head.split(' ').nth(1).unwrap_or_default().to_owned(), text))
    }

    /// Answers as the path asks; `None`: the connection is over.
    fn answer(&mut self, path: &str, text: &str) -> Option<()> {
        let (answer, goes_on) = match path.rsplit('/').next().unwrap_or_default() {
            "healthz" if self.unwell.load(Ordering::SeqCst) => {
                ("HTTP/1.1 503 Unwell\r\ncontent-length: 0\r\n\r\n", true)
            }
            "close" => return None,
            "garbage" => ("this is no HTTP\r\n\r\n", false),
            "cut" => ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this", false),
            "cut-chunk" => ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly\r\n", false),
            "switch" => {
                ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", false)
            }
            // Answers, and closes without having said so: the next request meets a stale connection.
            "last" => ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
            "surplus" => (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray",
                true,
            ),
            "telling" => (
                "HTTP/1.1 200 OK\r\ncountersign-subject: org_admin\r\nkeep-alive: x\r\ncontent-length: 2\r\n\r\nok",
                true,
            ),
            "hang" => {
                assert!(self.more().is_none(), "the gateway closes");
                self.hung_up.send(()).ok();
                return None;
            }
            "wait" => {
                self.wait_for_go();
                return self.echo(text);
            }
            // One event, then nothing until the gateway closes.
            "endless" => {
                self.stream.write_all(EVENT.as_bytes()).ok()?;
                return self.until_closed();
            }
            // One event, and the end when the test says so.
            "events" => {
                self.stream.write_all(EVENT.as_bytes()).ok()?;
                self.wait_for_go();
                ("0\r\n\r\n", true)
            }
            "socket" if text.contains("upgrade: websocket") => return self.socket(),
            "late-socket" => {
                self.wait_for_go();
                self.stream.set_nonblocking(true).unwrap();
                if !self.pending.is_empty() || self.stream.peek(&mut [0; 1]).is_ok() {
                    return None;
                }
                self.stream.set_nonblocking(false).unwrap();
                return self.socket();
            }
            _ => return self.echo(text),
        };
        self.stream.write_all(answer.as_bytes()).ok().filter(|()| goes_on)
    }

    fn wait_for_go(&self) {
        let (go, gone) = mpsc::channel();
        self.ring.send(go).ok();
        gone.recv_timeout(PATIENCE).ok();
    }

    /// Rings when the gateway has closed.
    fn until_closed(&mut self) -> Option<()> {
        while self.more().is_some() {}
        self.hung_up.send(()).ok();
        None
    }

    /// Switches protocols, and says back what it is told.
    fn socket(&mut self) -> Option<()> {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        self.stream.write_all(head.as_bytes()).ok()?;
        while self.more().is_some() {
            let told: Vec<u8> = self.pending.drain(..).collect();
            self.stream.write_all(&told).ok()?;
        }
        self.hung_up.send(()).ok();
        None
    }

    fn echo(&mut self, text: &str) -> Option<()> {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        self.stream.write_all(answer.as_bytes()).ok()
    }
}
