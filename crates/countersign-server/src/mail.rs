//! Mail: how a letter is written and leaves.
//!
//! **Invariant.** Whoever asks for a letter is answered before it is known whether there is anybody to write to: that is
//! looked up here, afterwards. Links name the issuer as the settings do, never as a request did.
//!
//! What it does not do: try again. Whoever gets no letter asks once more.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::exchange::System;
use countersign_core::id::OwnerId;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::mailed::{Letter, Link, MailLink};
use countersign_core::question::PersonNamed;
use countersign_core::typed_name::TypedName;
use countersign_edge::form::path_segment;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use thiserror::Error;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use url::Url;

use crate::app::App;
use crate::mail_queue::{Job, To};
use crate::pages::language::Locale;

/// How long a mail server may take for each step of a conversation: whoever waits stands in the way of all others.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends mail.
pub struct Mailer {
    way: Way,
    from: Mailbox,
}

/// How letters leave.
enum Way {
    /// To the standard error, for development.
    Console,
    /// Into files of a folder.
    Folder(PathBuf),
    /// To a mail server.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

impl fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailer").field("from", &self.from.email).finish_non_exhaustive()
    }
}

/// The settings of mail mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoMailer {
    /// The sender's address.
    #[error("mail.from: expected an address such as `Countersign <no-reply@example.com>`")]
    From,
    /// The way.
    #[error(
        "mail.url: expected smtps://user:password@host, smtp://user:password@host, file:DIRECTORY or console"
    )]
    Url,
    /// Nothing is trusted, or TLS cannot be prepared.
    #[error("mail.url: TLS cannot be prepared: {0}")]
    Tls(String),
}

/// Why a letter did not leave.
#[derive(Debug, Error)]
enum Unsent {
    #[error("it cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("an address cannot be written to: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the mail server did not take it: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    #[error("the file cannot be written: {0}")]
    File(#[from] std::io::Error),
}

impl Mailer {
    /// Prepares to send mail as `url` says, from `from`.
    ///
    /// # Errors
    ///
    /// [`NoMailer`].
    pub fn new(url: &str, from: &str) -> Result<Self, NoMailer> {
        let from = from.parse().map_err(|_| NoMailer::From)?;
        let way = match url.strip_prefix("file:") {
            _ if url == "console" => Way::Console,
            Some(folder) if !folder.is_empty() => Way::Folder(PathBuf::from(folder)),
            Some(_) | None => Way::Smtp(Box::new(smtp(url)?)),
        };
        Ok(Self { way, from })
    }

    async fn send(&self, app: &App, letter: &Letter, locale: Locale) -> Result<(), Unsent> {
        let message = self.write(app, letter, locale)?;
        match &self.way {
            Way::Console => Ok(std::io::stderr().lock().write_all(&message.formatted())?),
            Way::Folder(folder) => file(app, folder, &message.formatted()).await,
            Way::Smtp(transport) => Ok(transport.send(message).await.map(|_| ())?),
        }
    }

    fn write(&self, app: &App, letter: &Letter, locale: Locale) -> Result<Message, Unsent> {
        let (subject, words, path) = match letter.link {
            Link::Reset => ("mail-reset-subject", "mail-reset-words", "reset-password"),
            Link::Verify => ("mail-verify-subject", "mail-verify-words", "verify-email"),
        };
        let issuer = app.issuer_url.trim_end_matches('/');
        let link = format!("{issuer}/{path}?token={}", letter.text.expose());
        let body = format!("{}\n\n{link}\n\n{}\n", locale.tell(words), locale.tell("mail-ignore"));
        let to = Mailbox::new(None, letter.to.as_str().parse()?);
        let message = Message::builder().from(self.from.clone()).to(to).subject(locale.tell(subject));
        // RFC 3834 §5: nobody shall answer it by himself.
        Ok(message.header(AutoSubmitted).body(body)?)
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Prepares a mail server: TLS from the first byte, or by STARTTLS and not without it; in clear to this machine alone.
fn smtp(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, NoMailer> {
    let url: Url = url.parse().map_err(|_| NoMailer::Url)?;
    let name = url.host_str().filter(|host| !host.is_empty()).ok_or(NoMailer::Url)?.to_owned();
    // The host of a scheme that browsers do not know is no address to the parser (URL standard, "opaque host").
    let address: Result<IpAddr, _> = name.trim_matches(['[', ']']).parse();
    let is_here = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let tls = || TlsParameters::new(name.clone()).map_err(|error| NoMailer::Tls(error.to_string()));
    let (tls, port) = match url.scheme() {
        "smtps" => (Tls::Wrapper(tls()?), 465),
        "smtp" if is_here => (Tls::None, 25),
        "smtp" => (Tls::Required(tls()?), 587),
        _ => return Err(NoMailer::Url),
    };
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&name)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(PATIENCE));
    let read = |text: &str| path_segment(text).map_err(|_| NoMailer::Url);
    let transport = match (url.username(), url.password()) {
        ("", None) => transport,
        (user, password) => {
            transport.credentials(Credentials::new(read(user)?, read(password.unwrap_or_default())?))
        }
    };
    Ok(transport.build())
}

/// Writes a letter that nobody else on this machine reads; whoever looks sees whole ones alone.
async fn file(app: &App, folder: &std::path::Path, message: &[u8]) -> Result<(), Unsent> {
    tokio::fs::create_dir_all(folder).await?;
    let mut bytes = [0; 8];
    (app.entropy)().fill(&mut bytes);
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{:013}-{name}", app.now().millis());
    let unfinished = folder.join(format!(".{name}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).await?;
    file.write_all(message).await?;
    file.flush().await?;
    tokio::fs::rename(unfinished, folder.join(format!("{name}.eml"))).await?;
    Ok(())
}

/// Writes the letters that are asked for, one after the other, for as long as any can come.
pub async fn work(app: Arc<App>, mailer: Mailer, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        match letter(&app, &job).await {
            Ok(Some(letter)) => {
                if let Err(error) = mailer.send(&app, &letter, job.locale).await {
                    tracing::warn!(%error, link = ?job.link, "a letter was not sent");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a letter was not written"),
        }
    }
}

async fn letter(app: &App, job: &Job) -> Result<Option<Letter>, Unavailable> {
    let person = match &job.to {
        To::Person(person) => Some(*person),
        To::Typed(typed) => named(app, typed).await?,
    };
    let Some(person) = person else { return Ok(None) };
    Ok(app.attempt(&System, &MailLink { person, link: job.link }).await?.ok())
}

async fn named(app: &App, typed: &str) -> Result<Option<OwnerId>, Unavailable> {
    let Ok(typed) = typed.parse::<TypedName>() else { return Ok(None) };
    Ok(app.store.find(PersonNamed(typed)).await?.map(|found| found.owner.id))
}

#[cfg(test)]
mod tests {
    use super::{Mailer, NoMailer};

    #[tokio::test]
    async fn mail_leaves_with_tls_or_to_this_machine() {
        let from = "Countersign <no-reply@example.com>";
        for (url, expected) in [
            ("console", None),
            ("file:/tmp/mail", None),
            ("smtp://localhost:2525", None),
            ("smtp://127.0.0.1", None),
            ("smtp://[::1]:25", None),
            ("file:", Some(NoMailer::Url)),
            ("http://mail.example.com", Some(NoMailer::Url)),
            ("mail.example.com", Some(NoMailer::Url)),
            ("smtp:", Some(NoMailer::Url)),
            ("", Some(NoMailer::Url)),
        ] {
            assert_eq!(Mailer::new(url, from).err(), expected, "{url}");
        }
        assert_eq!(Mailer::new("console", "nobody").err(), Some(NoMailer::From));
    }
}
