//! A person with a browser, as the demos play them: forms, cookies, and nothing else.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::Full;
use url::form_urlencoded::{Serializer, parse};

use crate::client;

/// What a browser says that goes to a page.
const PAGE: &[(&str, &str)] = &[("accept", "text/html")];

/// Whoever sits before the browser.
pub(super) struct Person {
    authority: String,
    cookies: BTreeMap<String, String>,
}

/// What the browser was shown.
pub(super) struct Shown {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) page: String,
    /// The `Set-Cookie` fields.
    pub(super) kept: Vec<String>,
}

impl Person {
    pub(super) fn at(issuer: &str) -> Self {
        Self { authority: issuer.trim_start_matches("http://").to_owned(), cookies: BTreeMap::new() }
    }

    /// Goes to a page.
    pub(super) async fn open(&mut self, path: &str) -> Result<Shown> {
        self.send(Method::GET, path, (PAGE, String::new())).await
    }

    /// Lets a script of a page call, with these fields beside the cookies.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Shown> {
        self.send(method, path, (fields, String::new())).await
    }

    /// Reads a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie into the browser, as a thief would.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Fills in the form of a page.
    pub(super) async fn fill(&mut self, page: &Shown, path: &str, fields: &[(&str, &str)]) -> Result<Shown> {
        let (csrf, request) = (page.hidden("csrf"), page.hidden("request"));
        let hidden = [("csrf", csrf.as_str()), ("request", request.as_str())];
        let form = Serializer::new(String::new()).extend_pairs(hidden).extend_pairs(fields).finish();
        self.send(Method::POST, path, (PAGE, form)).await
    }

    /// Signs in on a page that asks for it, and goes on.
    pub(super) async fn sign_in(&mut self, page: &Shown, (name, password): (&str, &str)) -> Result<Shown> {
        let sent = self.fill(page, "/login", &[("username", name), ("password", password)]).await?;
        self.open(&sent.location).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        (fields, form): (&[(&str, &str)], String),
    ) -> Result<Shown> {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::COOKIE, pairs.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::new(Bytes::from(form)))?;
        let (status, headers, body) = client::whole(&self.authority, request).await?;
        self.keep(&headers);
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.unwrap_or_default().to_owned();
        let page = String::from_utf8_lossy(&body).into_owned();
        let kept = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let kept = kept.map(str::to_owned).collect();
        Ok(Shown { status: status.as_u16(), location, page, kept })
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for field in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = field.split(';').next().unwrap_or_default();
            match pair.split_once('=') {
                Some((name, "")) => drop(self.cookies.remove(name)),
                Some((name, value)) => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
                None => {}
            }
        }
    }
}

impl Shown {
    /// Reads a hidden field.
    fn hidden(&self, name: &str) -> String {
        let rest = self.page.split_once(&format!("name=\"{name}\" value=\"")).map(|(_, rest)| rest);
        let value = rest.and_then(|rest| rest.split('"').next()).unwrap_or_default();
        value.replace("&#38;", "&").replace("&#61;", "=").replace("&amp;", "&")
    }

    /// Reads a parameter of where the browser was sent.
    pub(super) fn told(&self, name: &str) -> String {
        let query = self.location.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let mut pairs = parse(query.as_bytes());
        pairs.find(|(one, _)| one == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// Tells whether the page holds something.
    pub(super) fn has(&self, text: &str) -> bool {
        self.page.contains(text)
    }
}
