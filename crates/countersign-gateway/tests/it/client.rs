//! A client of raw bytes, and the answers that it reads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body arrived whole.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The upstream's own account of what it received.
    #[track_caller]
    pub(crate) fn echoed(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        &self.body
    }

    /// The answer without what differs between events: date and instance.
    pub(crate) fn without_instance(&self) -> String {
        let start = self.body.find(",\"instance\"").expect("an instance");
        let head: Vec<_> = self.head.lines().filter(|line| !line.starts_with("date")).collect();
        format!("{}{}", head.join("\n"), self.body.get(..start).unwrap())
    }
}

/// A client that sends exactly the bytes it is given.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, pending: Vec::new() }
    }

    pub(crate) fn get(&mut self, path: &str, fields: &[&str]) -> Answer {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"));
        self.receive()
    }

    /// Sends bytes; a gateway that has already answered and closed is no failure.
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).ok();
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer in time: {error}"),
        }
    }

    /// Reads `text` and nothing else; false if the connection ended before.
    pub(crate) fn reads(&mut self, text: &str) -> bool {
        while self.pending.len() < text.len() && self.more() {}
        let read: Vec<u8> = self.pending.drain(..).collect();
        read == text.as_bytes()
    }

    /// Tells whether the gateway closes without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        !self.more() && self.pending.is_empty()
    }

    /// Reads everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.pending)).unwrap()
    }

    /// Waits for the head of an answer, and leaves it to be received.
    pub(crate) fn read_head(&mut self) {
        while find(&self.pending, b"\r\n\r\n").is_none() {
            assert!(self.more(), "closed inside the head");
        }
    }

    /// Receives an answer that has no content whatever its head says, as to HEAD.
    pub(crate) fn receive_head(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                break end;
            }
            assert!(self.more(), "closed inside the head: {:?}", String::from_utf8_lossy(&self.pending));
        };
        let head = String::from_utf8(self.pending.drain(..end + 4).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: String::new(), whole: true }
    }

    pub(crate) fn receive(&mut self) -> Answer {
        let mut answer = self.receive_head();
        if answer.field("transfer-encoding") == Some("chunked") {
            self.chunks(&mut answer);
            return answer;
        }
        let length: usize = answer.field("content-length").map_or(0, |text| text.parse().unwrap());
        while self.pending.len() < length {
            if !self.more() {
                answer.whole = false;
                break;
            }
        }
        let end = length.min(self.pending.len());
        answer.body = String::from_utf8(self.pending.drain(..end).collect()).unwrap();
        answer
    }

    fn chunks(&mut self, answer: &mut Answer) {
        loop {
            while let Some(end) = find(&self.pending, b"\r\n") {
                let size = usize::from_str_radix(str::from_utf8(&self.pending[..end]).unwrap(), 16).unwrap();
                if self.pending.len() < end + 2 + size + 2 {
                    break;
                }
                let chunk: Vec<u8> = self.pending.drain(..end + 2 + size + 2).collect();
                if size == 0 {
                    return;
                }
                answer.body.push_str(str::from_utf8(&chunk[end + 2..end + 2 + size]).unwrap());
            }
            if !self.more() {
                answer.whole = false;
                return;
            }
        }
    }
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
