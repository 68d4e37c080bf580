//! A relying party that the project did not write and that knows OpenID Connect alone: Apache with `mod_auth_openidc`.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::browser;
use crate::harness::{Ground, Server, eventually, signal};

const MODULES: &str = "/usr/lib/apache2/modules";

/// A running Apache, with its own settings in a folder of its own; stopped when dropped.
struct Apache {
    child: Child,
    url: String,
}

impl Apache {
    /// Starts it on a free port, before which only `client` may come to `/secret/`.
    fn start(place: &Ground, server: &Server, port: u16, client: &serde_json::Value) -> Self {
        let folder = place.path("apache");
        std::fs::create_dir_all(folder.join("www/secret")).unwrap();
        // Where root starts it, its workers are somebody else.
        for open in [place.path(""), folder.clone()] {
            std::fs::set_permissions(open, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::write(
            folder.join("www/secret/index.html"),
            "<!doctype html><title>Secret</title><h1>Inside</h1>",
        )
        .unwrap();
        std::fs::write(folder.join("apache.conf"), settings(&folder, server, port, client)).unwrap();
        let child = Command::new("/usr/sbin/apache2")
            .args(["-DFOREGROUND", "-f"])
            .arg(folder.join("apache.conf"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        eventually("Apache listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, url: format!("http://localhost:{port}/secret/") }
    }
}

impl Drop for Apache {
    /// Its parent is told, so that it ends its workers too.
    fn drop(&mut self) {
        signal(i32::try_from(self.child.id()).unwrap(), "-TERM");
        let _waited = self.child.wait();
    }
}

fn settings(folder: &Path, server: &Server, port: u16, client: &serde_json::Value) -> String {
    let names =
        ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", "mime", "headers", "auth_openidc"];
    let modules: String =
        names.iter().map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n")).collect();
    let (folder, issuer) = (folder.display(), server.card["issuer"].as_str().unwrap());
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    format!(
        "{modules}\
         ServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{port}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\n\
         User www-data\nGroup www-data\nErrorLog {folder}/error.log\nLogLevel warn\nDocumentRoot {folder}/www\n\
         TypesConfig /dev/null\nAddType text/html .html\nDirectoryIndex index.html\n\
         OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\n\
         OIDCClientID {id}\nOIDCClientSecret {secret}\nOIDCCryptoPassphrase a-passphrase-of-this-test-alone\n\
         OIDCRedirectURI http://localhost:{port}/secret/redirect\nOIDCScope \"openid profile\"\nOIDCPKCEMethod S256\n\
         OIDCRemoteUserClaim preferred_username\n\
         <Location /secret>\nAuthType openid-connect\nRequire valid-user\nHeader set Person \"expr=%{{REMOTE_USER}}\"\n</Location>\n"
    )
}

#[test]
fn mod_auth_openidc_signs_a_person_in() {
    if !browser::is_installed() || !Path::new(MODULES).join("mod_auth_openidc.so").exists() {
        assert!(std::env::var("CI").is_err(), "CI needs Apache: cargo xtask test installs it");
        // Skipped: `cargo xtask test` installs it.
        return;
    }
    let place = Ground::new();
    let server = place.up("data", &[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let client = json!({
        "name": "The intranet",
        "grant_types": ["authorization_code"],
        "redirect_uris": [format!("http://localhost:{port}/secret/redirect")]
    });
    let client = server.manage("POST", "/v1/clients", &client).json();
    drop(free);
    let apache = Apache::start(&place, &server, port, &client);
    browser::run("apache.mjs", &server, &[("SECRET", &apache.url)]);
}
