//! Servers that say one thing, names that stand for what a test says, and an authority.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_egress::address::{AddressPolicy, Purpose};
use countersign_egress::client::{CallLimits, Egress};
use countersign_egress::resolve::{Resolve, Resolving};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Answers each name with its lists of addresses, one after the other; the last one stays.
pub(crate) struct Names(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    pub(crate) fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let list = |addresses: &[&str]| addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let names = names.iter().map(|(name, addresses)| ((*name).to_owned(), vec![list(addresses)]));
        Arc::new(Self(Mutex::new(names.collect())))
    }

    pub(crate) fn in_turn(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let list = |addresses: &&[&str]| addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let names = HashMap::from([(name.to_owned(), answers.iter().map(list).collect())]);
        Arc::new(Self(Mutex::new(names)))
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let mut names = self.0.lock().unwrap();
        let found = names.get_mut(host).map(|answers| match answers.len() {
            1 => answers.first().unwrap().clone(),
            _ => answers.remove(0),
        });
        Box::pin(async move {
            let found = found.ok_or_else(|| io::Error::other("unknown name"))?;
            Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
        })
    }
}

/// Allows loopback, with listeners of our own.
pub(crate) fn reach(own: &[&str]) -> AddressPolicy {
    AddressPolicy {
        purpose: Purpose::LEAKS,
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        own: own.iter().map(|address| address.parse().unwrap()).collect(),
    }
}

pub(crate) fn client(reach: AddressPolicy, names: Arc<Names>, authority: Option<&Authority>) -> Egress {
    let mut roots = RootCertStore::empty();
    if let Some(authority) = authority {
        roots.add(authority.certificate.clone()).unwrap();
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let limits = CallLimits {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(1),
        total: Duration::from_secs(3),
        bytes: 2048,
    };
    Egress::new(reach, names, Arc::new(tls), limits)
}

pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server that answers every connection alike, and then says nothing more.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn answering(answer: &str) -> Self {
        Self::start(answer, None).await
    }

    pub(crate) async fn with_tls(answer: &str, config: ServerConfig) -> Self {
        Self::start(answer, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    pub(crate) fn asked(&self) -> String {
        self.asked.lock().unwrap().clone()
    }

    /// Answers the first connection with the first answer, and so on; the last one stays.
    pub(crate) async fn in_turn(answers: &[&str]) -> Self {
        Self::saying(answers, None).await
    }

    async fn start(answer: &str, tls: Option<TlsAcceptor>) -> Self {
        Self::saying(&[answer], tls).await
    }

    async fn saying(answers: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (count, heard) = (Arc::clone(&connections), Arc::clone(&asked));
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let before = count.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(before).or_else(|| answers.last()).unwrap();
                match &tls {
                    None => talk(stream, answer, &heard).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            talk(stream, answer, &heard).await;
                        }
                    }
                }
            }
        });
        Self { port, connections, asked, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one head, answers, and waits until the client goes.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &str, heard: &Mutex<String>) {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(part.get(..read).unwrap()),
        }
    }
    *heard.lock().unwrap() = String::from_utf8(head).unwrap();
    let _written = stream.write_all(answer.as_bytes()).await;
    let _flushed = stream.flush().await;
    while matches!(stream.read(&mut part).await, Ok(read) if read > 0) {}
}
