//! What tokens may be for, as the settings declare it: `[[resource]]`, and the default one.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use countersign_core::decision::{Condition, Requirement, TokenSource};
use countersign_core::resource::{Declared, Resource, SigningAlgorithm};
use countersign_edge::endpoint::ListenerName;
use serde::Deserialize;
use toml::{Table, Value};

use crate::cli::Up;

/// What the settings declare.
#[derive(Debug, Clone)]
pub(crate) struct ResourceSpec {
    /// Those of the file.
    named: Vec<Arc<Resource>>,
    /// The default one; `None`: the gateway's URL.
    default: Option<String>,
    /// With what tokens for the default one are signed.
    algorithm: SigningAlgorithm,
}

impl ResourceSpec {
    /// Reads the file's resources, and the flags for the default one.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub(crate) fn read(tables: &[Table], up: &Up) -> Result<Self> {
        let algorithm = up.signing_alg.as_deref().map_or(Ok(SigningAlgorithm::Es256), str::parse);
        Ok(Self {
            named: resources(tables)?,
            default: up.resource.clone(),
            algorithm: algorithm.map_err(|error| anyhow!("--signing-alg: {error}"))?,
        })
    }

    /// Declares nothing.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { named: Vec::new(), default: None, algorithm: SigningAlgorithm::Es256 }
    }

    /// Reads the file's resources for a command that no server answers: the default one takes any scope whatever it is
    /// called.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub(crate) fn of_command(tables: &[Table]) -> Result<Declared> {
        let spec = Self { named: resources(tables)?, default: None, algorithm: SigningAlgorithm::Es256 };
        let port = ListenerName::Gateway.default_address().and_then(|address| address.rsplit_once(':'));
        spec.declared(&format!("http://localhost:{}", port.map_or("", |(_, port)| port)))
    }

    /// Takes a requirement of which it is known what its tokens are for: where the file declares resources, the default one
    /// has to be named like all others (SAFETY 12).
    ///
    /// # Errors
    ///
    /// If a condition leaves it open.
    pub(crate) fn named_in(&self, requirement: Requirement) -> Result<Requirement> {
        let is_open = |source: &TokenSource| source.audience.is_none();
        if self.named.is_empty() || !requirement.conditions().filter_map(Condition::token).any(is_open) {
            return Ok(requirement);
        }
        let declared: Vec<_> =
            self.named.iter().map(|resource| format!("`{}`", resource.id.as_str())).collect();
        let default =
            self.default.as_deref().map_or_else(|| "the gateway's URL".to_owned(), |id| format!("`{id}`"));
        bail!(
            "access_token.audience: which resource? With `[[resource]]` in the file it has to be named: {}, or the default \
             one, {default}",
            declared.join(", ")
        )
    }

    /// Returns what tokens are for where nothing else is said, by a gateway that is called by `gateway`.
    pub(crate) fn default_id<'a>(&'a self, gateway: &'a str) -> &'a str {
        self.default.as_deref().unwrap_or(gateway)
    }

    /// Returns what is declared, by a gateway that is called by `gateway`.
    ///
    /// # Errors
    ///
    /// If the default one has no name that could be one.
    pub(crate) fn declared(&self, gateway: &str) -> Result<Declared> {
        let id = self.default_id(gateway);
        let id = id.parse().with_context(|| format!("--resource {id}"))?;
        let default = Some(Arc::new(Resource::any(id, self.algorithm)));
        Ok(Declared { default, named: self.named.clone() })
    }
}

/// Reads the resources of the file.
///
/// # Errors
///
/// The first that is none, or is there twice.
pub(crate) fn resources(tables: &[Table]) -> Result<Vec<Arc<Resource>>> {
    let mut read: Vec<Arc<Resource>> = Vec::with_capacity(tables.len());
    for (table, number) in tables.iter().zip(1..) {
        let name = table.get("id").and_then(Value::as_str);
        let name = name.map_or_else(|| number.to_string(), |id| format!("`{id}`"));
        let resource = Resource::deserialize(table.clone())
            .map_err(|error| anyhow!("resource {name}: {}", error.message().trim()))?;
        if read.iter().any(|earlier| earlier.id == resource.id) {
            bail!("resource {name}: it is there twice");
        }
        read.push(Arc::new(resource));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::resources;

    #[track_caller]
    fn check(text: &str, expected: Result<usize, &str>) {
        let file: toml::Table = toml::from_str(text).unwrap();
        let tables: Vec<_> = file["resource"].as_array().unwrap().clone();
        let tables: Vec<_> = tables.into_iter().map(|one| one.as_table().unwrap().clone()).collect();
        match (resources(&tables), expected) {
            (Ok(read), Ok(count)) => assert_eq!(read.len(), count, "{text}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{text}: {error}"),
            (read, expected) => panic!("{text}: {read:?} for {expected:?}"),
        }
    }

    #[test]
    fn a_resource_of_the_file_is_read_as_product_md_writes_it() {
        check(
            "[[resource]]\nid = \"https://api.example.com\"\n\
             scopes = { \"orders:read\" = \"See your orders\", \"settle\" = \"Settle payments\" }\n\
             access_token = { lifetime = \"15m\", signing_alg = \"ES256\" }\n\
             claims = { role = \"service\", team = { metadata = \"team\" } }\n\
             introspection = [\"client_0000000000000000000000\"]\n\n\
             [[resource]]\nid = \"urn:x:other\"\naccess_token = { kind = \"opaque\" }\n",
            Ok(2),
        );
        let one = "[[resource]]\nid = \"urn:x\"\n";
        check(&format!("{one}{one}"), Err("resource `urn:x`: it is there twice"));
        check("[[resource]]\n", Err("resource 1: missing field `id`"));
        check("[[resource]]\nid = \"api\"\n", Err("resource `api`: expected an absolute URI"));
        check(
            &format!("{one}access_token = {{ lifetime = \"2h\" }}\n"),
            Err("resource `urn:x`: access_token.lifetime: expected 5m to 1h"),
        );
        check(&format!("{one}introspection = [\"acme\"]\n"), Err("expected an id"));
    }
}
