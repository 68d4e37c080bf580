//! The certificates of the listeners: renewed if they are ours, read again if they are the operator's.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use countersign_core::secret::Secret;
use countersign_edge::tls::Tls;
use countersign_pki::authority::Authority;
use rustls::ServerConfig;
use tokio::task::JoinHandle;
use url::Url;

use crate::cli::Up;
use crate::node::Node;
use crate::settings::resolved::Settings;
use crate::system::{SystemClock, SystemEntropy};
use crate::tls;

/// How often the listeners' own certificate is renewed: a tenth of its life.
const RENEWAL: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// What the listeners show: their own certificate, or the operator's.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    pub(crate) mtls: Arc<Tls>,
    pub(crate) https: Option<Arc<Tls>>,
    names: Arc<ArcSwap<Vec<String>>>,
    authority: Arc<Authority>,
    operators: Option<Files>,
}

/// Certificates that are not served yet; `None`: what is served stays.
#[derive(Debug)]
pub(crate) struct Prepared {
    mtls: Option<ServerConfig>,
    https: Option<ServerConfig>,
    names: Vec<String>,
}

/// The operator's certificate chain and its key, both PEM.
#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(up: &Up) -> Option<Self> {
        let (certificate, key) = (up.tls_cert.clone()?, up.tls_key.clone()?);
        Some(Self { certificate, key })
    }

    fn read(&self) -> Result<ServerConfig> {
        let text =
            |path: &Path| read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let key = Secret::new(text(&self.key)?);
        tls::server(&text(&self.certificate)?, key.expose())
            .with_context(|| format!("{} and {}", self.certificate.display(), self.key.display()))
    }
}

impl Certificates {
    /// Reads the operator's certificate, and makes our own.
    ///
    /// # Errors
    ///
    /// A text that names what cannot be read or used.
    pub(crate) fn open(node: &Node, settings: &Settings, up: &Up) -> Result<Self> {
        let names = certificate_names(settings, up)?;
        let own = || tls::own_server(&node.authority, &names, &SystemClock, &mut SystemEntropy);
        let operators = Files::of(up);
        let https = match &operators {
            Some(files) => Some(files.read()?),
            None if up.https => Some(own()?),
            None => None,
        };
        Ok(Self {
            mtls: Arc::new(Tls::new(own()?)),
            https: https.map(|https| Arc::new(Tls::new(https))),
            names: Arc::new(ArcSwap::from_pointee(names)),
            authority: Arc::clone(&node.authority),
            operators,
        })
    }

    /// Reads the operator's certificate again, and makes our own anew if `settings` name other hosts.
    ///
    /// # Errors
    ///
    /// A text that names what cannot be read or used; the certificates in use stay.
    pub(crate) fn prepare(&self, settings: &Settings, up: &Up) -> Result<Prepared> {
        let names = certificate_names(settings, up)?;
        let is_new = *self.names.load_full() != names;
        let own = || {
            let own = || tls::own_server(&self.authority, &names, &SystemClock, &mut SystemEntropy);
            is_new.then(own).transpose()
        };
        let https = match (&self.operators, &self.https) {
            (Some(files), _) => Some(files.read()?),
            (None, Some(_)) => own()?,
            (None, None) => None,
        };
        Ok(Prepared { mtls: own()?, https, names })
    }

    /// Serves what was prepared, from the next handshake on.
    pub(crate) fn put(&self, prepared: Prepared) {
        let https = self.https.as_ref().zip(prepared.https);
        for (listener, config) in https.into_iter().chain(Some(&self.mtls).zip(prepared.mtls)) {
            listener.replace(config);
        }
        self.names.store(Arc::new(prepared.names));
    }

    /// Returns the files whose change is a new certificate.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = self.operators.iter();
        files.flat_map(|files| [files.certificate.clone(), files.key.clone()]).collect()
    }

    /// Renews our own certificates long before they end, without a restart.
    pub(crate) fn keep_fresh(&self) -> JoinHandle<()> {
        let (authority, names) = (Arc::clone(&self.authority), Arc::clone(&self.names));
        let https = self.https.clone().filter(|_| self.operators.is_none());
        let listeners: Vec<_> = std::iter::once(Arc::clone(&self.mtls)).chain(https).collect();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                for listener in &listeners {
                    match tls::own_server(&authority, &names.load_full(), &SystemClock, &mut SystemEntropy) {
                        Ok(config) => listener.replace(config),
                        Err(error) => tracing::error!(%error, "the listeners' certificate is not renewed"),
                    }
                }
            }
        })
    }
}

fn certificate_names(settings: &Settings, up: &Up) -> Result<Vec<String>> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let resource =
        up.resource.as_ref().map(|url| url.parse::<Url>().with_context(|| format!("--resource {url}")));
    for url in settings.issuer_url.iter().cloned().chain(resource.transpose()?) {
        if let Some(host) = url.host_str() {
            names.push(host.to_owned());
        }
    }
    names.extend(settings.admin_hosts.iter().cloned());
    names.sort();
    names.dedup();
    Ok(names)
}
