//! An upstream that says exactly the bytes it is given, whatever HTTP would have it say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use crate::client::find;
use crate::support::PATIENCE;

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is closed.
    Close,
    /// It is closed while bytes are unread: the gateway's side is reset.
    Reset,
    /// It stays open until the gateway closes.
    Wait,
}

/// Answers the head of the first request of a connection with `answer`, in which `ADDRESS` is its own.
///
/// It runs on a thread that ends with the test's process. What was received is told when the connection is over.
pub(crate) fn scripted(answer: &'static [u8], then: Then) -> (SocketAddr, mpsc::Receiver<String>) {
    scripted_after(b"\r\n\r\n", answer, then)
}

/// Answers as [`scripted`] does, once it has read up to `last`.
pub(crate) fn scripted_after(
    last: &'static [u8],
    answer: &'static [u8],
    then: Then,
) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // An upstream may name itself.
    let answer: Arc<str> = str::from_utf8(answer).unwrap().replace("ADDRESS", &address.to_string()).into();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tell, answer) = (tell.clone(), Arc::clone(&answer));
            std::thread::spawn(move || tell.send(converse(stream, last, answer.as_bytes(), then)));
        }
    });
    (address, told)
}

fn converse(mut stream: TcpStream, last: &[u8], answer: &[u8], then: Then) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A reset needs something that is not read: the last byte of what is waited for.
    let (last, room) = if then == Then::Reset { (&last[..last.len() - 1], 1) } else { (last, 4096) };
    let mut received = Vec::new();
    while find(&received, last).is_none() && read(&mut stream, room, &mut received) {}
    stream.write_all(answer).ok();
    while then == Then::Wait && read(&mut stream, 4096, &mut received) {}
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads at most `room` bytes; false: there are no more.
fn read(stream: &mut TcpStream, room: usize, received: &mut Vec<u8>) -> bool {
    let mut buffer = vec![0; room];
    let count = stream.read(&mut buffer).unwrap_or_default();
    received.extend_from_slice(&buffer[..count]);
    count > 0
}
