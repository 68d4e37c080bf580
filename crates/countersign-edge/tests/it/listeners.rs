//! The accept loop, on a runtime of many threads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign_edge::body::BodyError;
use countersign_edge::body::Content;
use countersign_edge::drain::Shutdown;
use countersign_edge::limits::Limits;
use countersign_edge::listen::{BindError, Budget, Listener, Socket, bind};
use countersign_edge::metrics::Metrics;
use countersign_edge::serve::{Peer, Serve, Transport};
use countersign_edge::tls::{Tls, server_config};
use countersign_edge::unix::bind_local;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use tokio::runtime::Runtime;

/// The longest that any read of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const SETTING: &str = "admin-listen";

/// A listener on a runtime of its own; dropped, it ends at once.
pub(crate) struct Running {
    runtime: Option<Runtime>,
    pub(crate) shutdown: Shutdown,
    metrics: Arc<Metrics>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Tests that are asynchronous themselves may not wait for another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn run<S: Serve>(socket: Socket, limits: Limits, service: S) -> Running {
    run_until(Shutdown::new(), socket, limits, service)
}

fn run_until<S: Serve>(shutdown: Shutdown, socket: Socket, limits: Limits, service: S) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let metrics = Arc::new(Metrics::new());
    let listener = Listener {
        name: "admin",
        service: Arc::new(service),
        budget: Budget::new(&limits),
        limits,
        metrics: metrics.listener("admin"),
    };
    runtime.spawn(listener.run(socket, shutdown.draining()));
    Running { runtime: Some(runtime), shutdown, metrics }
}

pub(crate) fn port_0() -> (std::net::TcpListener, SocketAddr) {
    let socket = bind(SETTING, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Sends a request and returns everything up to the end of the connection.
#[track_caller]
pub(crate) fn ask(mut stream: impl Read + Write, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // A TLS peer may end without close_notify; what came before counts.
    stream.read_to_end(&mut answer).ok();
    String::from_utf8(answer).unwrap()
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

async fn tell_peer(request: Request<Content>, peer: Peer) -> Response<Full<Bytes>> {
    assert_ne!(request.uri().path(), "/panic", "asked for");
    let text = match peer.transport() {
        Transport::Plain(_) => "plain".to_owned(),
        Transport::Tls(_) => "tls".to_owned(),
        Transport::Local(local) => format!("uid {} of {}", local.peer_uid, local.server_uid),
    };
    Response::new(Full::new(Bytes::from(text)))
}

#[test]
fn a_listener_that_cannot_start_names_its_setting() {
    let (_socket, taken) = port_0();
    let text = bind(SETTING, taken).unwrap_err().to_string();
    assert_eq!(text, format!("admin-listen: {taken} is in use by another process"));
    // 192.0.2.0/24 is nobody's (RFC 5737).
    let elsewhere = bind(SETTING, "192.0.2.1:80".parse().unwrap()).unwrap_err();
    assert!(matches!(elsewhere, BindError::NotAvailable { setting: SETTING, .. }), "{elsewhere}");
}

#[test]
fn who_waited_before_the_door_when_the_end_began_is_answered() {
    let (socket, address) = port_0();
    let mut waiting: Vec<_> = (0..20).map(|_| connect(address)).collect();
    let (silent, spoken) = waiting.split_at_mut(3);
    for stream in spoken.iter_mut() {
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    let shutdown = Shutdown::new();
    shutdown.begin(PATIENCE);
    let _running = run_until(shutdown, Socket::Tcp(socket, None), Limits::default(), tell_peer);
    for stream in silent.iter_mut() {
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    for stream in &mut waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("plain"), "{answer}");
    }
    assert!(TcpStream::connect(address).is_err(), "nobody is let in any more");
}

#[test]
fn a_panic_ends_one_request_and_no_listener() {
    let (socket, address) = port_0();
    let running = run(Socket::Tcp(socket, None), Limits::default(), tell_peer);
    let answer = ask(connect(address), "/panic");
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("urn:countersign:problem:internal-error"));
    assert!(!answer.contains("asked for"), "the defect's text is not the caller's business");
    assert!(ask(connect(address), "/").ends_with("plain"));
    assert!(running.metrics.render().contains("countersign_panics_total{listener=\"admin\"} 1"));
}

#[test]
fn a_fragment_in_a_request_target_is_refused_before_any_service() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_peer);
    assert!(ask(connect(address), "/a#b").starts_with("HTTP/1.1 400 "));
}

#[test]
fn the_local_socket_names_its_peer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("operator.sock");
    let _running = run(Socket::Unix(bind_local(&path).unwrap()), Limits::default(), tell_peer);
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    assert!(ask(stream, "/").ends_with(&format!("uid {uid} of {uid}")));
}

/// Makes a certificate for `localhost`, the server's configuration and a client that trusts it alone.
pub(crate) fn certificate() -> (rustls::ServerConfig, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server_config(vec![cert.der().clone()], key).unwrap(), Arc::new(client))
}

fn ask_tls(address: SocketAddr, client: &Arc<ClientConfig>) -> String {
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = connect(address);
    let mut handshaken = Stream::new(&mut session, &mut stream);
    match handshaken.write_all(b"") {
        Ok(()) => ask(handshaken, "/"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_replaced_certificate_serves_the_next_handshake() {
    let (socket, address) = port_0();
    let (first, trusts_first) = certificate();
    let (second, trusts_second) = certificate();
    let tls = Arc::new(Tls::new(first));
    let _running = run(Socket::Tcp(socket, Some(Arc::clone(&tls))), Limits::default(), tell_peer);
    assert!(ask_tls(address, &trusts_first).ends_with("tls"));
    tls.replace(second);
    assert!(ask_tls(address, &trusts_second).ends_with("tls"));
}

#[test]
fn rfc9112_9_6_a_refusal_of_an_upload_is_read_over_tls() {
    let (socket, address) = port_0();
    let (server, client) = certificate();
    let tls = Arc::new(Tls::new(server));
    let _running = run(Socket::Tcp(socket, Some(tls)), Limits::default(), |_: Request<Content>, _| async {
        let mut refused = Response::new(Full::new(Bytes::from_static(b"no")));
        *refused.status_mut() = http::StatusCode::FORBIDDEN;
        refused
    });
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(client, name).unwrap();
    let mut stream = connect(address);
    let mut stream = Stream::new(&mut session, &mut stream);
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n").unwrap();
    stream.write_all(&vec![b'a'; 5_000_000]).expect("the rest is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and an end in order");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("connection: close"), "{answer}");
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let (socket, address) = port_0();
    let limits = Limits { handshake: Duration::from_millis(100), ..Limits::default() };
    let tls = Arc::new(Tls::new(certificate().0));
    let _running = run(Socket::Tcp(socket, Some(tls)), limits, tell_peer);
    let mut silent = connect(address);
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
}

/// A body without end, which rings when it is dropped.
pub(crate) struct Endless(pub(crate) mpsc::Sender<()>);

impl Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (socket, address) = port_0();
    let limits = Limits { write_pause: Duration::from_millis(100), ..Limits::default() };
    let (ring, dropped) = mpsc::channel();
    let _running = run(Socket::Tcp(socket, None), limits, move |_, _| {
        let ring = ring.clone();
        async move { Response::new(Endless(ring)) }
    });
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    dropped.recv_timeout(PATIENCE).expect("the connection was given up");
}
