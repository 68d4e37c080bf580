//! The command line: what may be typed. What it means is in [`crate::commands`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// Every way an API can know its caller, in one binary.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts everything: issuer, gateway, TLS gateway and management API
    Up(Box<Up>),
    /// API keys: what programs present to your API
    #[command(subcommand)]
    Key(Key),
    /// Clients of the authorization server: who may ask for tokens
    #[command(subcommand)]
    Client(Client),
    /// Resources: what tokens are for
    #[command(subcommand)]
    Resource(Resource),
    /// Owners of keys: organisations, and their clients and users
    #[command(subcommand)]
    Owner(Owner),
    /// Users: persons who sign in, and what they are in which organisation
    #[command(subcommand)]
    User(User),
    /// Management keys: what guards the management API
    #[command(subcommand)]
    ManagementKey(ManagementKey),
    /// The master key: what opens everything that is kept sealed
    #[command(subcommand)]
    MasterKey(MasterKey),
    /// Signing keys: by which access tokens and assertions are signed
    #[command(subcommand)]
    SigningKey(SigningKey),
    /// What people allow clients
    #[command(subcommand)]
    Grant(Grant),
    /// Signs a person in with any browser, and keeps the tokens for `token get`
    Login(Box<Login>),
    /// Tokens: what they say, whether they are good, and how they end
    #[command(subcommand)]
    Token(Token),
    /// The audit: who did what, in a chain that shows tampering
    #[command(subcommand)]
    Audit(Audit),
    /// The gateway's routes
    #[command(subcommand)]
    Route(Route),
    /// Reads the running server's settings, routes, certificates and trust again, all of them or none
    Reload {
        #[command(flatten)]
        remote: Remote,
    },
    /// Plays one of the scenarios, both sides, and tries to break it
    Demo(Demo),
    /// Prints the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Writes the references that are printed from the code
    #[command(hide = true)]
    Reference {
        /// Where to
        directory: PathBuf,
    },
}

/// How a command reaches the management API.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The management API; with the key from `COUNTERSIGN_KEY`
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_ADMIN", hide_env_values = true)]
    pub(crate) admin: Option<String>,
    /// The data directory: its running server's local socket, or, when none runs, the store itself
    #[arg(
        long,
        value_name = "DIR",
        env = "COUNTERSIGN_DATA",
        hide_env_values = true,
        default_value = "countersign-data"
    )]
    pub(crate) data: PathBuf,
    /// The configuration file, where the store itself is opened
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// The store, where it is opened itself
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The master key's file, where the store itself is opened and the key lives elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) master_key: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Starts everything.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Where permitted requests go; without it a built-in echo answers
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// The data directory; made if it is not there
    #[arg(
        long,
        value_name = "DIR",
        env = "COUNTERSIGN_DATA",
        hide_env_values = true,
        default_value = "countersign-data"
    )]
    pub(crate) data: PathBuf,
    /// The configuration file; `countersign.toml` if it is there
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// `postgres://…`: keeps everything in PostgreSQL
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Lets the store's connection be in clear over a network
    #[arg(long)]
    pub(crate) danger_store_plaintext: bool,
    /// The master key's file, if it lives outside the data directory
    #[arg(long, value_name = "FILE")]
    pub(crate) master_key: Option<PathBuf>,
    /// Prints one line of JSON once everything is ready
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the issuer listens; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) issuer_listen: Option<String>,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway_listen: Option<String>,
    /// Where the gateway listens with TLS
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mtls_listen: Option<String>,
    /// Where the management API listens
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin_listen: Option<String>,
    /// The issuer's URL: the `iss` of everything issued
    #[arg(long, value_name = "URL")]
    pub(crate) issuer_url: Option<String>,
    /// The default resource: what tokens are for where nothing else is said; by default the gateway's URL
    #[arg(long, value_name = "URL")]
    pub(crate) resource: Option<String>,
    /// With what access tokens for the default resource are signed; by default ES256
    #[arg(long, value_name = "ES256|RS256|PS256|EdDSA")]
    pub(crate) signing_alg: Option<String>,
    /// Serves issuer, gateway and management API over TLS too
    #[arg(long)]
    pub(crate) https: bool,
    /// The certificate for `--https`, PEM; by default one of our own authority
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of `--tls-cert`, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// What is done to API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Mints a key and shows it once
    Create(KeyCreate),
    /// Lists keys
    List {
        #[command(flatten)]
        filter: KeyFilter,
        #[command(flatten)]
        remote: Remote,
    },
    /// Shows a key, never its text
    Show {
        /// The key's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Changes a key: its name, scopes or end, or switches it on or off
    Update(KeyUpdate),
    /// Mints a successor; the old key goes on working for the overlap
    Rotate {
        /// The key's id
        id: String,
        /// How long the old key goes on working, such as 24h; 0s or `none` revokes it
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
        /// When the successor ends, as a time from now such as 90d, or `never`
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Revokes a key: the next request that presents it is refused
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Revokes every key that the filters name
    RevokeMany {
        #[command(flatten)]
        filter: KeyFilter,
        /// Every key, where no filter is named
        #[arg(long)]
        all: bool,
        /// Only tells which keys would be revoked
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Revokes a key and forgets it; its audit remains
    Delete {
        /// The key's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Asks whether a key is good; exit status 1 if not
    Verify {
        /// The key; `-` or nothing reads it from standard input, where no other process can see it
        key: Option<String>,
        /// Scopes that it must hold
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The environment that it must be made for
        #[arg(long, value_name = "live|test")]
        environment: Option<String>,
        /// The address of the client that presented it
        #[arg(long, value_name = "ADDRESS")]
        client_ip: Option<String>,
        /// The method of the call that it is presented for
        #[arg(long, requires = "path")]
        method: Option<String>,
        /// The path of the call that it is presented for
        #[arg(long, requires = "method")]
        path: Option<String>,
        /// What the call costs of its limits; 0 only looks
        #[arg(long)]
        cost: Option<u32>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Takes over keys that another system minted, by their hashes
    Import(KeyImport),
    /// Prints every key with its terms, one JSON object a line; never a key's text or hash
    Export {
        /// Only keys of this owner
        #[arg(long, value_name = "ID")]
        owner: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Prints rules by which secret scanners recognise keys, with no server
    Rules {
        /// For which scanner
        #[arg(long, value_name = "gitleaks|trufflehog", default_value = "gitleaks")]
        format: String,
        /// A key set of yours, such as `shss`; repeat for several
        #[arg(long)]
        prefix: Vec<String>,
    },
    /// Checks a key's shape and checksum, with no server; exit status 1 if they are wrong
    Check {
        /// The key; `-` or nothing reads it from standard input, where no other process can see it
        key: Option<String>,
    },
}

/// Mints a key.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyCreate {
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// What it may do; repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// When it ends, as a time from now such as 90d, or `never`
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires_in: Option<String>,
    /// The first instant at which it works (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<String>,
    /// Where it may be used
    #[arg(long, value_name = "live|test")]
    pub(crate) environment: Option<String>,
    /// Its key set; by default `cs_live` or `cs_test`
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Who it acts for; by default the first organisation
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// How much it may be used, such as burst=10/1s or quota=10000/month; repeat for several
    #[arg(long = "limit", value_name = "NAME=AMOUNT/WINDOW")]
    pub(crate) limits: Vec<String>,
    /// An address or CIDR block that it may be used from; repeat for several
    #[arg(long = "allow-from", value_name = "BLOCK")]
    pub(crate) allow_from: Vec<String>,
    /// Something to write on it; repeat for several
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Which keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyFilter {
    /// Only keys of this owner
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// Only keys that are live, revoked, disabled or expired
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only keys of this key set
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Only keys made for this environment
    #[arg(long, value_name = "live|test")]
    pub(crate) environment: Option<String>,
    /// Only keys that end before this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_before: Option<String>,
    /// Only live keys that end within this time, such as 30d
    #[arg(long, value_name = "DURATION")]
    pub(crate) expiring_within: Option<String>,
    /// Only keys minted before this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) created_before: Option<String>,
    /// Only keys that were not used since this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) unused_since: Option<String>,
}

impl KeyFilter {
    /// Returns what is named, by the API's names.
    pub(crate) fn members(&self) -> Vec<(&'static str, &str)> {
        let members = [
            ("owner", &self.owner),
            ("state", &self.state),
            ("prefix", &self.prefix),
            ("environment", &self.environment),
            ("expires_before", &self.expires_before),
            ("expiring_within", &self.expiring_within),
            ("created_before", &self.created_before),
            ("unused_since", &self.unused_since),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// Takes over keys that another system minted.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyImport {
    /// A file with one key a line: its hash alone, or a JSON object with `hash` and the terms of a new key by the
    /// API's names; `-` reads standard input
    pub(crate) file: PathBuf,
    /// How the hashes were made
    #[arg(long, value_name = "sha256|sha512|hmac-sha256", default_value = "sha256")]
    pub(crate) algorithm: String,
    /// How the hashes are written
    #[arg(long, value_name = "hex|base64|base64url", default_value = "hex")]
    pub(crate) encoding: String,
    /// Of what the hashes were made: the whole key, or the secret after the prefix
    #[arg(long, value_name = "key|secret", default_value = "key")]
    pub(crate) of: String,
    /// A file with the key of the HMAC
    #[arg(long, value_name = "FILE")]
    pub(crate) hmac_key_file: Option<PathBuf>,
    /// What the keys begin with, such as `acme_`
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// The header field that carries the keys, if it is neither Authorization nor X-API-Key
    #[arg(long)]
    pub(crate) header: Option<String>,
    /// The key set that routes name; by default the prefix without its last `_`
    #[arg(long, value_name = "PREFIX")]
    pub(crate) key_set: Option<String>,
    /// Who keys act for that name no owner
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// What keys may do that name no scopes; repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Where keys may be used that name no environment
    #[arg(long, value_name = "live|test")]
    pub(crate) environment: Option<String>,
    /// Only tells what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Changes a key; what is not named stays.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyUpdate {
    /// The key's id
    pub(crate) id: String,
    /// The new name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The new scopes, all of them; repeat for several; `none` takes them away
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The new end, as a time from now such as 90d; `never` takes it away
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires_in: Option<String>,
    /// The new limits, all of them, such as burst=10/1s; `none` takes them away
    #[arg(long = "limit", value_name = "NAME=AMOUNT/WINDOW")]
    pub(crate) limits: Vec<String>,
    /// The new addresses and CIDR blocks that it may be used from, all of them; `none` lets it be used from anywhere
    #[arg(long = "allow-from", value_name = "BLOCK")]
    pub(crate) allow_from: Vec<String>,
    /// What to write on it, all of it; repeat for several; `none` takes it away
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Switches it on
    #[arg(long, conflicts_with = "disable")]
    pub(crate) enable: bool,
    /// Switches it off
    #[arg(long)]
    pub(crate) disable: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is done to clients.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Registers a client and shows its secret once
    Create(Box<ClientCreate>),
    /// Lists clients
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Shows a client and its secrets, never their texts
    Show {
        /// The client's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Changes a client's name, or what is registered of it
    Update(Box<ClientUpdate>),
    /// Mints the next secret; those before go on working for the overlap
    RotateSecret {
        /// The client's id
        id: String,
        /// How long the secrets before go on working, such as 24h; 0s or `none` revokes them
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Disables a client: it gets no token, and its tokens are refused at the next request
    Disable {
        /// The client's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Enables a client again
    Enable {
        /// The client's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// The grants, by their registered names.
const GRANTS: &str =
    "client_credentials|authorization_code|refresh_token|urn:ietf:params:oauth:grant-type:device_code";

/// Registers a client.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientCreate {
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// A grant that it may use, by its registered name; repeat for several
    #[arg(long = "grant", value_name = GRANTS, required = true)]
    pub(crate) grants: Vec<String>,
    /// What it may be given, and is given where it asks for nothing; repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// A resource that it may have tokens for; repeat for several; by default the default resource
    #[arg(long = "audience", value_name = "URI")]
    pub(crate) audiences: Vec<String>,
    /// How it proves itself; by default by a secret, in either way
    #[arg(long, value_name = "METHOD")]
    pub(crate) auth_method: Option<String>,
    /// A public client: it proves nothing
    #[arg(long, conflicts_with = "auth_method")]
    pub(crate) public: bool,
    /// What its access tokens are
    #[arg(long, value_name = "jwt|opaque")]
    pub(crate) token_format: Option<String>,
    /// The JWK Set of the public keys with which it signs assertions
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    pub(crate) jwks: Option<PathBuf>,
    /// Where it publishes them
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    /// Where resource owners may be sent back to; repeat for several
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub(crate) redirect_uris: Vec<String>,
    /// Where they may be sent once they have signed out; repeat for several
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    pub(crate) post_logout_redirect_uris: Vec<String>,
    /// Whose scripts may call the issuer (CORS); repeat for several; by default those of the redirect URIs
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Whether a code needs PKCE; by default it does, and a public client's always
    #[arg(long, value_name = "true|false")]
    pub(crate) require_pkce: Option<bool>,
    /// With what its ID tokens are signed; by default RS256
    #[arg(long, value_name = "RS256|PS256|ES256|EdDSA")]
    pub(crate) id_token_alg: Option<String>,
    /// Something to write on it; a resource may make claims of it; repeat for several
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// The organisation that it belongs to; by default the first
    #[arg(long, value_name = "ORG")]
    pub(crate) owner: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Changes a client; what is not named stays.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientUpdate {
    /// The client's id
    pub(crate) id: String,
    /// The new name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The new scopes, all of them; repeat for several; `none` takes them away
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The new resources, all of them; repeat for several; `none` leaves the default one
    #[arg(long = "audience", value_name = "URI")]
    pub(crate) audiences: Vec<String>,
    /// How it proves itself from now on
    #[arg(long, value_name = "METHOD")]
    pub(crate) auth_method: Option<String>,
    /// What its access tokens are from now on
    #[arg(long, value_name = "jwt|opaque")]
    pub(crate) token_format: Option<String>,
    /// The JWK Set of its new public keys
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    pub(crate) jwks: Option<PathBuf>,
    /// Where it publishes its keys from now on
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    /// The new grants, all of them; repeat for several
    #[arg(long = "grant", value_name = GRANTS)]
    pub(crate) grants: Vec<String>,
    /// The new places to send resource owners back to, all of them; repeat for several; `none` takes them away
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub(crate) redirect_uris: Vec<String>,
    /// The new places to send them to once they have signed out, all of them; `none` takes them away
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    pub(crate) post_logout_redirect_uris: Vec<String>,
    /// Whose scripts may call the issuer, all of them; `none` leaves those of the redirect URIs
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Whether a code needs PKCE from now on
    #[arg(long, value_name = "true|false")]
    pub(crate) require_pkce: Option<bool>,
    /// With what its ID tokens are signed from now on
    #[arg(long, value_name = "RS256|PS256|ES256|EdDSA")]
    pub(crate) id_token_alg: Option<String>,
    /// What to write on it, all of it; repeat for several; `none` takes it away
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is done to resources.
#[derive(Debug, Subcommand)]
pub(crate) enum Resource {
    /// Declares a resource that is stored, beside those of the settings
    Create(Box<ResourceCreate>),
    /// Replaces the key that tokens for a stored resource are encrypted for
    Update {
        /// The resource's name
        id: String,
        /// A JWK Set with its public key for encryption; `none`: its tokens are not encrypted any more
        #[arg(long, value_name = "FILE|none")]
        jwks: PathBuf,
        #[command(flatten)]
        remote: Remote,
    },
    /// Removes a resource that is stored, once no client is registered for it; one of the settings goes with its lines in
    /// the file
    Delete {
        /// Its name, such as `https://api.example.com`
        #[arg(value_name = "URI")]
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lists what tokens may be for
    List {
        #[command(flatten)]
        remote: Remote,
    },
}

/// Declares a resource.
#[derive(Debug, Clone, Args)]
pub(crate) struct ResourceCreate {
    /// Its name, the `aud` of its tokens, such as `https://api.example.com`
    #[arg(long, value_name = "URI")]
    pub(crate) id: String,
    /// What may be done there, described for people; repeat for several; by default it takes any scope
    #[arg(long = "scope", value_name = "SCOPE=DESCRIPTION")]
    pub(crate) scopes: Vec<String>,
    /// How long an access token lives, 5m to 1h; by default 15m
    #[arg(long, value_name = "DURATION")]
    pub(crate) lifetime: Option<String>,
    /// With what access tokens are signed; by default ES256
    #[arg(long, value_name = "ES256|RS256|PS256|EdDSA")]
    pub(crate) signing_alg: Option<String>,
    /// What access tokens are, whatever the client's are
    #[arg(long, value_name = "jwt|opaque")]
    pub(crate) kind: Option<String>,
    /// A claim of its tokens; repeat for several
    #[arg(long = "claim", value_name = "NAME=TEXT")]
    pub(crate) claims: Vec<String>,
    /// A claim that comes from a member of the client's metadata; repeat for several
    #[arg(long = "claim-from", value_name = "NAME=MEMBER")]
    pub(crate) claims_from: Vec<String>,
    /// A client that may introspect its tokens; repeat for several
    #[arg(long = "introspection", value_name = "CLIENT")]
    pub(crate) introspection: Vec<String>,
    /// A JWK Set with its public key for encryption: signed tokens are encrypted for it
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is done to owners.
#[derive(Debug, Subcommand)]
pub(crate) enum Owner {
    /// Enters an owner
    Create {
        /// What it is
        #[arg(long, value_name = "organisation|client|user", default_value = "organisation")]
        kind: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// The organisation that a client or user belongs to; by default the first
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lists owners
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Disables an owner: all of its credentials are refused at the next request
    Disable {
        /// The owner's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Enables an owner again
    Enable {
        /// The owner's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done to users.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Enters a user
    Create(Box<UserCreate>),
    /// Lists users
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Shows a user, and what they are in which organisation
    Show {
        /// The user's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Changes what is told of a user
    Update(Box<UserUpdate>),
    /// Disables a user: they sign in no more, and all that was obtained in their name has ended
    Disable {
        /// The user's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Enables a user again; they have to sign in
    Enable {
        /// The user's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Replaces a user's password, and ends all that was obtained in their name
    Reset {
        /// The user's id
        id: String,
        /// Reads the new password from standard input, one line; without it they have none
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Has a link mailed to a user, where mail is sent
    Mail {
        /// The user's id
        id: String,
        /// What it is for: to choose a new password, or to confirm their address
        #[arg(long, value_name = "reset|verify")]
        link: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Says what a user is in an organisation
    Roles {
        /// The user's id
        id: String,
        /// A role that they have there; repeat for several; without any they are a member and no more
        #[arg(long = "role", value_name = "NAME", conflicts_with = "leave")]
        roles: Vec<String>,
        /// The organisation; by default their own
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        /// Ends their membership
        #[arg(long)]
        leave: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Disables a user and forgets what is registered of them; their audit remains
    Delete {
        /// The user's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Enters a user.
#[derive(Debug, Clone, Args)]
pub(crate) struct UserCreate {
    /// What they sign in as; upper and lower case alike
    #[arg(long)]
    pub(crate) username: String,
    /// What people call them; by default the username
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Reads their password from standard input, one line
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Where they are written to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// It is known that they read that; operators only
    #[arg(long, requires = "email")]
    pub(crate) email_verified: bool,
    /// A standard claim, such as `locale=de-CH` or `given_name=Ana`; repeat for several
    #[arg(long = "profile", value_name = "CLAIM=VALUE")]
    pub(crate) profile: Vec<String>,
    /// What they are in their organisation; repeat for several
    #[arg(long = "role", value_name = "NAME")]
    pub(crate) roles: Vec<String>,
    /// The organisation that they belong to; by default the first
    #[arg(long, value_name = "ID")]
    pub(crate) organisation: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Changes a user; what is not named stays.
#[derive(Debug, Clone, Args)]
pub(crate) struct UserUpdate {
    /// The user's id
    pub(crate) id: String,
    /// The new name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where they are written to from now on; `none`: nowhere
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// It is known that they read what is written to them; operators only
    #[arg(long)]
    pub(crate) email_verified: bool,
    /// A standard claim that changes; `CLAIM=` takes it away; repeat for several
    #[arg(long = "profile", value_name = "CLAIM=VALUE")]
    pub(crate) profile: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is done to management keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ManagementKey {
    /// Mints a management key that can do at most what you can
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// What it may do; repeat for several
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// What it may give to API keys: scopes, exact or `prefix*`; key sets other than cs_live and cs_test,
        /// `key_set:PREFIX` or `key_set:PREFIX*`; everything, `*`; repeat for several
        #[arg(long = "grant", value_name = "PATTERN")]
        grantable: Vec<String>,
        /// Who it acts for; by default the first organisation
        #[arg(long, value_name = "ID")]
        owner: Option<String>,
        /// When it ends, as a time from now such as 90d, or `never`
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lists management keys
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Replaces the installation's own management key; the old one ends at once
    Rotate {
        #[command(flatten)]
        remote: Remote,
    },
    /// Revokes a management key
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Revokes a management key and forgets it; its audit remains
    Delete {
        /// The key's id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done with the master key.
#[derive(Debug, Subcommand)]
pub(crate) enum MasterKey {
    /// Adds a new version to the master key's file, and seals anew what is sealed; no server may run meanwhile
    Rotate {
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Verifies a signed token, with no server, and prints its payload
    ///
    /// Exit status 0: accepted; 1: refused, with the reason on stderr; 2: the command or its files cannot be read.
    Verify(Box<TokenVerify>),
    /// Prints what a token says of itself, with no server; nothing of it is verified
    Inspect(TokenInspect),
    /// Decrypts an encrypted message, with no server, and prints its plaintext; exit status as of `verify`
    Decrypt(TokenDecrypt),
    /// Obtains an access token by a client's secret (RFC 6749 §4.4), and prints it
    Get(TokenGet),
    /// Ends one token, or everything that was issued until now to a client, an organisation or all
    Revoke(TokenRevoke),
}

/// Signs a person in.
#[derive(Debug, Clone, Args)]
pub(crate) struct Login {
    /// The issuer; it is asked for its metadata (RFC 8414)
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub(crate) issuer: Url,
    /// The public client to sign in with; by default the one that every installation registers for this
    #[arg(long, value_name = "ID", default_value = countersign_core::client::COMMAND_LINE)]
    pub(crate) client_id: String,
    /// A scope to ask for; repeat for several; by default openid and offline_access
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The resource that tokens shall be for
    #[arg(long, value_name = "URI")]
    pub(crate) audience: Option<String>,
    /// The data directory, whose certification authority is believed too
    #[arg(
        long,
        value_name = "DIR",
        env = "COUNTERSIGN_DATA",
        hide_env_values = true,
        default_value = "countersign-data"
    )]
    pub(crate) data: PathBuf,
    /// Prints JSON: a line with the code, and one when it is done
    #[arg(long)]
    pub(crate) json: bool,
}

/// Verifies a token.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenVerify {
    /// The token, compact or JSON; `-` or nothing reads it from standard input, where no other process can see it
    pub(crate) token: Option<String>,
    /// The JWK Set of the keys that may have signed it
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pub(crate) jwks: Option<PathBuf>,
    /// An algorithm that is allowed; repeat for several; by default those of the keys: what they state, or what fits
    /// their curve, or any RSA or HMAC algorithm for RSA or symmetric keys that state none
    #[arg(long = "alg", value_name = "ALG")]
    pub(crate) algorithms: Vec<String>,
    /// The `iss` that it must have
    #[arg(long, conflicts_with = "no_claims")]
    pub(crate) issuer: Option<String>,
    /// What its `aud` must list
    #[arg(long, conflicts_with = "no_claims")]
    pub(crate) audience: Option<String>,
    /// The `typ` that its header must have, such as at+jwt
    #[arg(long)]
    pub(crate) typ: Option<String>,
    /// The time at which it must be valid, by default now
    #[arg(long, value_name = "UNIX_TIME")]
    pub(crate) at: Option<u64>,
    /// Verifies the signature of any payload, and no claim
    #[arg(long)]
    pub(crate) no_claims: bool,
    /// Reads cases from standard input, a JSON object a line, and answers each with a line; reads no file
    #[arg(long, conflicts_with_all = ["token", "jwks", "algorithms", "issuer", "audience", "typ", "at", "no_claims"])]
    pub(crate) batch: bool,
}

/// Shows a token.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenInspect {
    /// The token, compact or JSON; `-` or nothing reads it from standard input, where no other process can see it
    pub(crate) token: Option<String>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Decrypts a message.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenDecrypt {
    /// The message, compact or JSON; `-` or nothing reads it from standard input, where no other process can see it
    pub(crate) token: Option<String>,
    /// The JWK Set of the private or symmetric keys that it may be encrypted for
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pub(crate) jwks: Option<PathBuf>,
    /// Reads cases from standard input, a JSON object a line, and answers each with a line; reads no file
    #[arg(long, conflicts_with_all = ["token", "jwks"])]
    pub(crate) batch: bool,
}

/// Obtains a token. The secret comes from `COUNTERSIGN_CLIENT_SECRET` or a file: other processes see the command line.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenGet {
    /// The issuer; it is asked for its metadata (RFC 8414)
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub(crate) issuer: Url,
    /// The client; without one, what `countersign login` has obtained at the issuer is printed, renewed where that is due
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The file that holds its secret, `-` for standard input; by default the variable COUNTERSIGN_CLIENT_SECRET
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The resource that the token shall be for
    #[arg(long, value_name = "URI")]
    pub(crate) audience: Option<String>,
    /// A scope that it shall have; repeat for several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The data directory, whose certification authority is believed too
    #[arg(
        long,
        value_name = "DIR",
        env = "COUNTERSIGN_DATA",
        hide_env_values = true,
        default_value = "countersign-data"
    )]
    pub(crate) data: PathBuf,
    /// Prints the whole answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ends tokens.
#[derive(Debug, Clone, Args)]
#[group(id = "which", required = true, multiple = false, args = ["token", "client", "subject", "all"])]
pub(crate) struct TokenRevoke {
    /// The token; `-` reads it from standard input
    pub(crate) token: Option<String>,
    /// All that one authorization has obtained: the `family` of its tokens
    #[arg(long, value_name = "ID")]
    pub(crate) family: Option<String>,
    /// What a person allows a client: the `grant_id` of its tokens
    #[arg(long, value_name = "ID")]
    pub(crate) grant: Option<String>,
    /// Everything that was issued to this client until now; with --subject, for that person alone
    #[arg(long, value_name = "ID")]
    pub(crate) client: Option<String>,
    /// Everything that was issued until now to whom it acts for: a client, a person, or the members of an organisation
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// Everything that was issued until now
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is done with what people allow clients.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Lists what people allow clients, the oldest first
    List {
        /// Only what is allowed to this client
        #[arg(long, value_name = "ID")]
        client: Option<String>,
        /// Only what this person allows
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Ends it: its tokens are refused by the next request, and the person is asked again
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done with signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKey {
    /// Lists them, the oldest first
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Makes a successor, which signs at once; what the old key has signed stays good
    Rotate {
        /// How the key signs
        #[arg(long, default_value = "ES256")]
        alg: String,
        /// What it signs: access_token or assertion
        #[arg(long, default_value = "access_token")]
        purpose: String,
        /// Publishes it for `signing_key.published` before it signs
        #[arg(long)]
        publish_first: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Ends a key at once, and every token that it has signed; another takes its place
    Revoke {
        /// The key's `kid`
        kid: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done with the audit.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Prints the latest events
    Tail {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
        /// Goes on printing as events happen, until interrupted
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Recomputes every chain; exit status 1 if one is broken
    Verify {
        #[command(flatten)]
        remote: Remote,
    },
}

/// What is done with routes.
#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// Lists the gateway's routes in the order in which they are tried
    List {
        #[command(flatten)]
        remote: Remote,
    },
}

/// Plays a scenario.
#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// The scenario: `developer-key`, `service-to-service`, `third-party-app`, `first-party-web` or `cli`
    pub(crate) scenario: String,
    /// Prints JSON lines instead of the story
    #[arg(long)]
    pub(crate) json: bool,
}
