//! What is forwarded is whole, and what is refused is read: the wiring, over the running product.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Ground, PATIENCE, get, raw};

/// Sends all of an upload and only then reads; what was answered.
fn uploaded(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'a'; 5_000_000]).expect("the rest is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and an end in order");
    answer.to_ascii_lowercase()
}

#[test]
fn rfc9112_9_6_a_refusal_of_an_upload_is_read_on_every_listener() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for (listener, path, status) in [
        ("gateway", "/x", 401),
        ("admin", "/v1/keys", 401),
        ("admin", "/v1/nothing", 404),
        ("issuer", "/v1/keys/revoke-leaked", 413),
    ] {
        let answer = uploaded(&server.address(listener), path);
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{listener} {path}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{listener} {path}: {answer}");
    }
}

#[test]
fn rfc9110_10_1_1_an_unknown_expectation_is_told_on_every_listener() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    for listener in ["gateway", "admin", "issuer"] {
        assert_eq!(get(&server.address(listener), "/x", "Expect: tea\r\n").status, 417, "{listener}");
    }
}

#[test]
fn what_is_set_for_upstreams_is_what_they_see() {
    let place = Ground::new();
    let open = "upstream = \"default\"\nrequire = { anonymous = {} }\n";
    let config = place.write(
        "c.toml",
        &format!(
            "[limits]\nupstream_requests = 3\nupload_rate = 0\nupstream_lookup = \"1s\"\nupstream_lifetime = \"1m\"\n\
             close_timeout = \"2s\"\n[[route]]\npath = \"/named/{{**}}\"\npreserve_host = true\n{open}\
             [[route]]\npath = \"/{{**}}\"\n{open}"
        ),
    );
    let server = place.up("data", &["--config", config.to_str().unwrap()]);
    let seen = |path: &str| -> Value {
        let answer = raw(
            &server.address("gateway"),
            &format!(
                "GET {path} HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                      5\r\nhello\r\n0\r\n\r\n"
            ),
        );
        assert_eq!(
            (answer.status, answer.header("via").as_deref()),
            (200, Some("1.1 gateway")),
            "{answer:?}"
        );
        answer.json()
    };
    let named = seen("/named/x");
    assert_eq!(named["headers"]["host"], "api.example.com");
    assert_eq!(
        (named["headers"]["via"].as_str(), named["body"].as_str()),
        (Some("1.1 gateway"), Some("hello"))
    );
    assert_ne!(seen("/x")["headers"]["host"], "api.example.com");
}

#[test]
fn settings_with_which_nothing_would_be_forwarded_are_told() {
    let place = Ground::on_sqlite();
    for (line, words) in [
        ("upstream_requests = 0", "limits.upstream_requests"),
        ("upstream_lookup = \"0s\"", "limits.upstream_lookup"),
        ("upstream_lifetime = \"0s\"", "limits.upstream_lifetime"),
        ("close_timeout = \"0s\"", "limits.close_timeout"),
        ("upload_rates = 1", "upload_rate"),
    ] {
        let config = place.write("c.toml", &format!("[limits]\n{line}\n"));
        let told = place.try_up("data", &["--config", config.to_str().unwrap()], &[]).err().expect(line);
        assert!(told.contains(words), "{line}: {told}");
    }
}
