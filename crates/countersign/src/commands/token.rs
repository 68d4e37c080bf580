//! `countersign token …`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use countersign_jose::json;
use serde_json::Value;

use crate::cli::{Token, TokenDecrypt, TokenVerify};
use crate::commands::offline::decrypt::Decrypt;
use crate::commands::offline::keys::Lately;
use crate::commands::offline::verify::Verify;
use crate::commands::offline::{self, batch, inspect};
use crate::commands::{token_get, token_revoke};

pub(crate) async fn run(command: Token) -> Result<ExitCode> {
    match command {
        Token::Verify(verify) if verify.batch => batch::run("token.verify"),
        Token::Verify(verify) => {
            Ok(offline::answered(signed(*verify), |case| case.verify(&mut Lately::default(), offline::now())))
        }
        Token::Inspect(inspect) => inspect::run(inspect),
        Token::Get(get) => token_get::run(get).await,
        Token::Revoke(revoke) => token_revoke::run(revoke).await,
        Token::Decrypt(decrypt) if decrypt.batch => batch::run("token.decrypt"),
        Token::Decrypt(decrypt) => {
            Ok(offline::answered(sealed(decrypt), |case| case.decrypt(&mut Lately::default())))
        }
    }
}

/// Reads what flags say as the case that a line of a batch says.
fn signed(verify: TokenVerify) -> Result<Verify> {
    let case = Verify {
        jwks: set(verify.jwks)?,
        token: offline::given_or_read(verify.token)?.into(),
        alg: Some(verify.algorithms).filter(|named| !named.is_empty()),
        issuer: verify.issuer,
        audience: verify.audience,
        typ: verify.typ,
        at: verify.at,
        no_claims: verify.no_claims,
    };
    // What is wrong with flags and files is no refusal of the token.
    case.keys(&mut Lately::default())?;
    Ok(case)
}

fn sealed(decrypt: TokenDecrypt) -> Result<Decrypt> {
    let case = Decrypt { jwks: set(decrypt.jwks)?, token: offline::given_or_read(decrypt.token)?.into() };
    case.keys(&mut Lately::default())?;
    Ok(case)
}

/// Reads the file of a JWK Set.
fn set(file: Option<PathBuf>) -> Result<Value> {
    let file = file.context("--jwks names no file")?;
    json::value(&offline::read(&file)?).with_context(|| file.display().to_string())
}
