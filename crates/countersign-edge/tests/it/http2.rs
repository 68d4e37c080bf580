//! HTTP/2 on the accept loop: which protocol is spoken, what a request looks like, and what peers may not do.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use countersign_edge::body::Content;
use countersign_edge::limits::Limits;
use countersign_edge::listen::Socket;
use countersign_edge::serve::Peer;
use countersign_edge::tls::Tls;
use h2::client::{Connection, SendRequest};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::listeners::{Endless, PATIENCE, ask, certificate, connect, port_0, run};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Answers with what the service was shown.
async fn tell_request(request: Request<Content>, _: Peer) -> Response<Full<Bytes>> {
    let fields = |name| {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("|")
    };
    let text = format!("{} host={} cookie={}", request.uri(), fields("host"), fields("cookie"));
    Response::new(Full::new(Bytes::from(text)))
}

type Driven = (SendRequest<Bytes>, JoinHandle<()>);

/// Shakes hands; the handle ends when the connection does.
async fn shake<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: T) -> Driven {
    let (sender, connection): (_, Connection<T, Bytes>) = h2::client::handshake(stream).await.unwrap();
    let driven = tokio::spawn(async move {
        connection.await.ok();
    });
    (sender.ready().await.unwrap(), driven)
}

async fn plain(address: SocketAddr) -> Driven {
    shake(TcpStream::connect(address).await.unwrap()).await
}

async fn send(sender: &mut SendRequest<Bytes>, request: Request<()>) -> (u16, String) {
    let (answer, _) = sender.send_request(request, true).unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        text.extend_from_slice(&data.unwrap());
    }
    (status, String::from_utf8(text).unwrap())
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

#[tokio::test]
async fn rfc9113_3_3_a_client_with_prior_knowledge_is_understood_without_tls() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    for _ in 0..3 {
        let told = send(&mut sender, get("http://localhost:1/a?b")).await;
        assert_eq!(told, (200, "/a?b host=localhost:1 cookie=".to_owned()));
    }
}

#[test]
fn rfc9113_3_1_an_upgrade_to_http2_is_never_honoured() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let fields = "x HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX: ";
    let answer = ask(connect(address), &format!("/{fields}"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

async fn protocol(address: SocketAddr, client: &Arc<rustls::ClientConfig>, offered: &[&[u8]]) -> Vec<u8> {
    let mut client = rustls::ClientConfig::clone(client);
    client.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let chosen = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    if chosen == b"h2" {
        let (mut sender, _driven) = shake(stream).await;
        assert_eq!(send(&mut sender, get("https://localhost/")).await.0, 200);
    }
    chosen
}

#[tokio::test]
async fn rfc9113_3_2_alpn_chooses_the_protocol() {
    let (socket, address) = port_0();
    let (server, client) = certificate();
    let _running =
        run(Socket::Tcp(socket, Some(Arc::new(Tls::new(server)))), Limits::default(), tell_request);
    for (offered, chosen) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], b"h2".as_slice()),
        (&[b"http/1.1", b"h2"], b"h2"),
        (&[b"http/1.1"], b"http/1.1"),
        (&[], b""),
    ] {
        assert_eq!(protocol(address, &client, offered).await, chosen, "{offered:?}");
    }
}

#[tokio::test]
async fn rfc9113_8_3_1_the_authority_is_the_host() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    for (host, expected) in [("localhost", 200), ("LOCALHOST", 200), ("evil.example", 400)] {
        let request = Request::get("http://localhost/").header("host", host).body(()).unwrap();
        assert_eq!(send(&mut sender, request).await.0, expected, "{host}");
    }
    let twice = Request::get("http://a/").header("host", "a").header("host", "a").body(()).unwrap();
    assert_eq!(send(&mut sender, twice).await.0, 400);
}

#[tokio::test]
async fn rfc9113_8_3_1_a_target_is_a_path() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    let uri = Uri::builder().scheme("http").authority("a").path_and_query("*").build().unwrap();
    let all = Request::builder().method(Method::OPTIONS).uri(uri).body(()).unwrap();
    assert_eq!(send(&mut sender, all).await.0, 400);
    let tunnel = Request::builder().method(Method::CONNECT).uri("a:1").body(()).unwrap();
    assert_eq!(send(&mut sender, tunnel).await.0, 400);
    assert_eq!(send(&mut sender, get("http://a/x")).await.0, 200, "the connection goes on");
}

#[tokio::test]
async fn rfc9110_9_3_2_an_answer_to_head_has_no_content() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    let request = Request::head("http://a/x").body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.headers()["content-length"], "/x host=a cookie=".len().to_string());
    let content = timeout(PATIENCE, answer.into_body().data()).await.unwrap();
    assert!(content.is_none(), "{content:?}");
}

#[tokio::test]
async fn rfc9113_8_2_3_cookie_crumbs_are_joined() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    let request = Request::get("http://a/").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
    assert_eq!(send(&mut sender, request).await.1, "/ host=a cookie=a=1; b=2");
}

#[tokio::test]
async fn rfc9113_10_5_1_a_header_list_beyond_the_limit_is_refused() {
    let (socket, address) = port_0();
    let limits = Limits { head_bytes: 8 * 1024, ..Limits::default() };
    let _running = run(Socket::Tcp(socket, None), limits, tell_request);
    let (mut sender, _driven) = plain(address).await;
    let request = Request::get("http://a/").header("x", "x".repeat(9 * 1024)).body(()).unwrap();
    assert_eq!(send(&mut sender, request).await.0, 431);
}

#[tokio::test]
async fn an_idle_http2_connection_is_ended() {
    let (socket, address) = port_0();
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let _running = run(Socket::Tcp(socket, None), limits, tell_request);
    let (mut sender, driven) = plain(address).await;
    assert_eq!(send(&mut sender, get("http://a/")).await.0, 200);
    timeout(PATIENCE, driven).await.expect("the connection ended").unwrap();
}

#[test]
fn rfc9113_6_10_a_header_block_that_does_not_end_is_given_up() {
    let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
    let open_block: &[u8] = &[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82];
    for begun in [&PREFACE[..10], PREFACE, &[PREFACE, SETTINGS, open_block].concat()] {
        let (socket, address) = port_0();
        let _running = run(Socket::Tcp(socket, None), limits.clone(), tell_request);
        let mut stream = connect(address);
        stream.write_all(begun).unwrap();
        let mut answer = Vec::new();
        // However it ends, it ends.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{} bytes", begun.len());
        }
    }
}

#[tokio::test]
async fn a_peer_that_grants_no_window_is_given_up() {
    let (socket, address) = port_0();
    let limits = Limits { write_pause: Duration::from_millis(100), ..Limits::default() };
    let (ring, dropped) = mpsc::channel();
    let _running = run(Socket::Tcp(socket, None), limits, move |_, _| {
        let ring = ring.clone();
        async move { Response::new(Endless(ring)) }
    });
    let (mut sender, _driven) = plain(address).await;
    let (answer, _) = sender.send_request(get("http://a/"), true).unwrap();
    let _held = timeout(PATIENCE, answer).await.unwrap().unwrap();
    let rung = tokio::task::spawn_blocking(move || dropped.recv_timeout(PATIENCE));
    rung.await.unwrap().expect("the answer was given up");
}

#[tokio::test]
async fn cve_2023_44487_a_peer_that_abandons_what_it_asks_for_is_cut() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), |_, _| {
        std::future::pending::<Response<Full<Bytes>>>()
    });
    let (sender, driven) = plain(address).await;
    for _ in 0..100_000 {
        let Ok(mut sender) = sender.clone().ready().await else { break };
        let Ok((answer, mut stream)) = sender.send_request(get("http://a/"), true) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
        tokio::task::yield_now().await;
        if driven.is_finished() {
            break;
        }
    }
    timeout(PATIENCE, driven).await.expect("the connection was cut").unwrap();
}

#[tokio::test]
async fn rfc9113_6_8_draining_finishes_the_streams_that_are_open() {
    let (socket, address) = port_0();
    let (arrive, arrived) = mpsc::channel();
    let (go, gone) = tokio::sync::watch::channel(false);
    let running = run(Socket::Tcp(socket, None), Limits::default(), move |_, _| {
        let (arrive, mut gone) = (arrive.clone(), gone.clone());
        async move {
            arrive.send(()).unwrap();
            gone.wait_for(|gone| *gone).await.unwrap();
            Response::new(Full::new(Bytes::from_static(b"done")))
        }
    });
    let (mut sender, driven) = plain(address).await;
    let (answer, _) = sender.send_request(get("http://a/"), true).unwrap();
    tokio::task::spawn_blocking(move || arrived.recv_timeout(PATIENCE)).await.unwrap().unwrap();
    running.shutdown.begin(PATIENCE);
    go.send(true).unwrap();
    assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().status(), 200);
    timeout(PATIENCE, driven).await.expect("the connection ended").unwrap();
}

#[test]
fn cve_2025_8671_a_peer_that_makes_us_reset_its_streams_is_cut() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), |_, _| {
        std::future::pending::<Response<Full<Bytes>>>()
    });
    let mut stream = connect(address);
    stream.write_all(&[PREFACE, SETTINGS].concat()).unwrap();
    for number in 0..500_u32 {
        let id = (2 * number + 1).to_be_bytes();
        // GET / of http://a, and a window that grows by nothing: an error of the stream (RFC 9113 §6.9).
        let request = [&[0, 0, 6, 1, 5], &id[..], &[0x82, 0x86, 0x84, 0x41, 1, b'a']].concat();
        let nonsense = [&[0, 0, 4, 8, 0], &id[..], &[0; 4]].concat();
        if stream.write_all(&[request, nonsense].concat()).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn rfc9113_6_9_2_a_peer_sends_no_more_ahead_than_the_limits_reckon_with() {
    for window in [65_535, 300_000] {
        let (socket, address) = port_0();
        let limits = Limits { window_bytes: window, ..Limits::default() };
        // Takes the bodies and never reads them.
        let _running = run(Socket::Tcp(socket, None), limits, |request: Request<Content>, _| async move {
            if request.method() == Method::GET {
                return Response::new(Full::new(Bytes::new()));
            }
            let _unread = request;
            std::future::pending().await
        });
        let (mut sender, _driven) = plain(address).await;
        assert_eq!(send(&mut sender, get("http://a/")).await.0, 200, "the settings of both sides are known");
        let mut granted = 0;
        let mut open = Vec::new();
        for _ in 0..20 {
            let upload = Request::post("http://a/").body(()).unwrap();
            let (answer, mut stream) = sender.send_request(upload, false).unwrap();
            stream.reserve_capacity(1024 * 1024);
            while let Ok(Some(Ok(_more))) = timeout(
                Duration::from_millis(20),
                std::future::poll_fn(|context| stream.poll_capacity(context)),
            )
            .await
            {
                let capacity = stream.capacity();
                stream.send_data(Bytes::from(vec![0; capacity]), false).unwrap();
                granted += capacity;
            }
            open.push((answer, stream));
        }
        assert_eq!(granted, usize::try_from(window).unwrap(), "on all streams together");
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Writes fields as literals that no table keeps (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// What becomes of a request on stream 1: a status, a reset of its stream, or the end of the connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Status(u16),
    Reset,
    Closed,
}

fn exactly(stream: &mut impl Read, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// Sends frames behind preface and settings, all in one piece or byte by byte, and waits for what becomes of them.
fn verdict(address: SocketAddr, frames: &[u8], pieces: usize) -> Verdict {
    let mut stream = connect(address);
    stream.set_nodelay(true).unwrap();
    let bytes = [PREFACE, SETTINGS, frames].concat();
    // The connection may have ended before the last piece.
    let _refused_early = bytes.chunks(pieces).try_for_each(|piece| stream.write_all(piece));
    loop {
        let Some(header) = exactly(&mut stream, 9) else { return Verdict::Closed };
        let length = usize::from(header[1]) * 256 + usize::from(header[2]);
        let Some(payload) = exactly(&mut stream, length) else { return Verdict::Closed };
        match (header[3], payload.first(), header[8]) {
            (1, Some(0x88), 1) => return Verdict::Status(200),
            (1, Some(0x8C), 1) => return Verdict::Status(400),
            (1, first, 1) => panic!("another status: {first:?}"),
            (3, _, 1) => return Verdict::Reset,
            // GOAWAY: the connection ends.
            (7, _, _) => return Verdict::Closed,
            _ => {}
        }
    }
}

const SCHEME: (&str, &str) = (":scheme", "http");
const HOST: (&str, &str) = (":authority", "a");
const PATH: (&str, &str) = (":path", "/");

#[test]
fn rfc9113_8_1_1_a_malformed_request_reaches_no_service() {
    let (socket, address) = port_0();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let _running = run(Socket::Tcp(socket, None), Limits::default(), move |request, peer| {
        counted.fetch_add(1, Ordering::SeqCst);
        tell_request(request, peer)
    });
    let get = (":method", "GET");
    for (fields, expected) in [
        (&[get, SCHEME, HOST, PATH][..], Verdict::Status(200)),
        (&[get, SCHEME, HOST, PATH, ("te", "trailers"), ("content-length", "0")], Verdict::Status(200)),
        (&[get, SCHEME, PATH, ("host", "a")], Verdict::Status(200)),
        (&[get, SCHEME, HOST, (":path", "/a#b")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "/a?b#")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "#")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "a")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "*")], Verdict::Status(400)),
        (&[get, SCHEME, HOST, (":path", "http://a/")], Verdict::Reset),
        (&[get, SCHEME, HOST, (":path", "/a b")], Verdict::Reset),
        (&[get, SCHEME, HOST], Verdict::Reset),
        (&[get, HOST, PATH], Verdict::Reset),
        (&[SCHEME, HOST, PATH], Verdict::Reset),
        (&[get, get, SCHEME, HOST, PATH], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, PATH], Verdict::Reset),
        (&[get, SCHEME, HOST, HOST, PATH], Verdict::Reset),
        (&[get, SCHEME, SCHEME, HOST, PATH], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("a", "b"), (":path", "/b")], Verdict::Reset),
        (&[get, ("a", "b"), SCHEME, HOST, PATH], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, (":status", "200")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, (":other", "x")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, (":protocol", "websocket")], Verdict::Reset),
        (&[get, (":scheme", "ftp"), HOST, PATH], Verdict::Status(400)),
        (&[get, (":scheme", "javascript"), HOST, PATH], Verdict::Status(400)),
        (&[get, (":scheme", ""), HOST, PATH], Verdict::Status(400)),
        (&[get, (":scheme", "ht tp"), HOST, PATH], Verdict::Reset),
        (&[get, SCHEME, (":authority", "a/b"), PATH], Verdict::Reset),
        (&[get, SCHEME, (":authority", "a#b"), PATH], Verdict::Reset),
        (&[get, SCHEME, (":authority", "a b"), PATH], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("host", "b")], Verdict::Status(400)),
        (&[get, SCHEME, HOST, PATH, ("host", "a"), ("host", "a")], Verdict::Status(400)),
        (&[get, SCHEME, HOST, PATH, ("Upper", "x")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, ("a b", "x")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, ("", "x")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, ("x", "a\r\nb")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, ("x", "a\0")], Verdict::Closed),
        (&[get, SCHEME, HOST, PATH, ("te", "gzip")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("te", "trailers, gzip")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("connection", "close")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("keep-alive", "1")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("proxy-connection", "x")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("transfer-encoding", "chunked")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("upgrade", "h2c")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("content-length", "0"), ("content-length", "0")], Verdict::Status(400)),
        (&[get, SCHEME, HOST, PATH, ("content-length", "")], Verdict::Status(400)),
        (&[get, SCHEME, HOST, PATH, ("content-length", "+0")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("content-length", "0, 0")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("content-length", " 0")], Verdict::Reset),
        (&[get, SCHEME, HOST, PATH, ("content-length", "1")], Verdict::Reset),
    ] {
        for pieces in [1, 10_000] {
            let found = verdict(address, &frame(1, 5, 1, &block(fields)), pieces);
            assert_eq!(found, expected, "{fields:?}");
            let served = usize::from(expected == Verdict::Status(200));
            assert_eq!(calls.swap(0, Ordering::SeqCst), served, "{fields:?}");
        }
    }
}

#[test]
fn rfc9113_8_1_1_a_length_that_differs_from_the_content_is_malformed() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), |request: Request<Content>, _| async {
        let Ok(whole) = request.into_body().collect().await else {
            return std::future::pending().await;
        };
        Response::new(Full::new(whole.to_bytes()))
    });
    let post = [(":method", "POST"), SCHEME, HOST, PATH];
    let head = |length: &str| frame(1, 4, 1, &block(&[&post[..], &[("content-length", length)]].concat()));
    for (frames, expected) in [
        ([head("3"), frame(0, 1, 1, b"abc")].concat(), Verdict::Status(200)),
        ([head("3"), frame(0, 0, 1, b"ab"), frame(0, 1, 1, b"c")].concat(), Verdict::Status(200)),
        (
            [head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[("x", "y")]))].concat(),
            Verdict::Status(200),
        ),
        ([head("3"), frame(0, 1, 1, b"ab")].concat(), Verdict::Reset),
        ([head("3"), frame(0, 1, 1, b"abcd")].concat(), Verdict::Reset),
        ([head("0"), frame(0, 1, 1, b"a")].concat(), Verdict::Reset),
        ([head("3"), frame(0, 0, 1, b"ab"), frame(1, 5, 1, &block(&[("x", "y")]))].concat(), Verdict::Reset),
        ([head("3"), frame(0, 0, 1, b"abc"), frame(1, 4, 1, &block(&[("x", "y")]))].concat(), Verdict::Reset),
        ([head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[PATH]))].concat(), Verdict::Reset),
        (
            [head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[(":status", "200")]))].concat(),
            Verdict::Reset,
        ),
        (
            [head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[("x", "y"), HOST]))].concat(),
            Verdict::Closed,
        ),
        (
            [head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[("X", "y")]))].concat(),
            Verdict::Closed,
        ),
        (
            [head("3"), frame(0, 0, 1, b"abc"), frame(1, 5, 1, &block(&[("connection", "y")]))].concat(),
            Verdict::Reset,
        ),
    ] {
        assert_eq!(verdict(address, &frames, 10_000), expected, "{frames:?}");
    }
}

#[test]
fn rfc9113_5_4_2_a_malformed_request_ends_its_stream_alone() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let get = |path| block(&[(":method", "GET"), SCHEME, HOST, (":path", path)]);
    let faulty = get("/a#b");
    let (first, second) = faulty.split_at(20);
    let frames = [
        frame(1, 5, 1, &get("/")),
        frame(1, 1, 3, first),
        frame(9, 4, 3, second),
        frame(1, 5, 5, &get("/")),
        frame(6, 0, 0, b"8 octets"),
    ];
    for pieces in [1, 5, 10_000] {
        let mut stream = connect(address);
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[PREFACE, SETTINGS].concat()).unwrap();
        frames.concat().chunks(pieces).try_for_each(|piece| stream.write_all(piece)).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let header = exactly(&mut stream, 9).expect("the connection goes on");
            let payload =
                exactly(&mut stream, usize::from(header[1]) * 256 + usize::from(header[2])).unwrap();
            match (header[3], header[4], header[8]) {
                (1, _, stream) => seen.push((stream, payload[0] == 0x88)),
                (3, _, stream) => seen.push((stream, false)),
                // The answer to the PING.
                (6, 1, 0) => seen.push((0, true)),
                _ => {}
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [(0, true), (1, true), (3, false), (5, true)], "in pieces of {pieces}");
    }
}

#[tokio::test]
async fn many_requests_of_a_client_that_compresses_are_read() {
    let (socket, address) = port_0();
    let _running = run(Socket::Tcp(socket, None), Limits::default(), tell_request);
    let (mut sender, _driven) = plain(address).await;
    for number in 0..300 {
        let uri = format!("http://host-{}.example/{number}?a={}", number % 7, "x".repeat(number % 90));
        let request = Request::get(&uri)
            .header("authorization", format!("Bearer {number:0>70}"))
            .header("user-agent", format!("agent#{}", number % 11))
            .header(format!("x-field-{}", number % 13), "v#".repeat(number % 50))
            .body(())
            .unwrap();
        assert_eq!(send(&mut sender, request).await.0, 200, "{uri}");
    }
}
