//! A person with a browser, as far as forms and cookies go: what it is told to keep, it sends.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;

use crate::harness::{Answer, raw};

/// A person with a browser of their own.
#[derive(Clone)]
pub(crate) struct Visitor {
    address: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Opens a browser at an issuer's address.
    pub(crate) fn at(address: &str) -> Self {
        Self { address: address.to_owned(), cookies: BTreeMap::new() }
    }

    /// Keeps its cookies, and finds the server where it is now.
    pub(crate) fn moved_to(self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self }
    }

    /// Goes to a page.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path)
    }

    /// Asks whether there is a page, as what guards browsers does.
    pub(crate) fn head(&mut self, path: &str) -> Answer {
        self.send("HEAD", path)
    }

    fn send(&mut self, method: &str, path: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{}Connection: close\r\n\r\n",
            self.cookie()
        );
        self.keep(raw(&self.address, &request))
    }

    /// Sends fields, as a page of ours would.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nOrigin: http://localhost\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{body}",
            body.len(),
            self.cookie()
        );
        self.keep(raw(&self.address, &request))
    }

    /// Fills in the form of a page: its hidden fields, and `fields`.
    pub(crate) fn fill(&mut self, page: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (csrf, request) = (hidden(page, "csrf"), hidden(page, "request"));
        let hidden = [("csrf", csrf.as_str()), ("request", request.as_str())];
        self.post(path, &[&hidden, fields].concat())
    }

    /// Types username and password.
    pub(crate) fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        let page = self.get("/login");
        self.fill(&page, "/login", &[("username", username), ("password", password)])
    }

    fn cookie(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) }
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        for field in answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (pair, _) = field.split_once(';').unwrap_or((field, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if field.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// Reads a hidden field of a page.
pub(crate) fn hidden(page: &Answer, name: &str) -> String {
    let Some((_, rest)) = page.body.split_once(&format!("name=\"{name}\" value=\"")) else {
        return String::new();
    };
    let value = rest.split('"').next().unwrap_or_default();
    value.replace("&#38;", "&").replace("&#61;", "=").replace("&amp;", "&")
}
