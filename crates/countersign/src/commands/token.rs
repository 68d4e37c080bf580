//! `countersign token …`

use std::process::ExitCode;

use anyhow::{Context, Result};
use countersign_jose::json;

use crate::cli::{Token, TokenVerify};
use crate::commands::offline::token::{Keys, Verify};
use crate::commands::offline::{self, batch, inspect};

pub(crate) fn run(command: Token) -> Result<ExitCode> {
    match command {
        Token::Verify(verify) if verify.batch => batch::run("token.verify"),
        Token::Verify(verify) => {
            Ok(offline::answered(case(*verify), |case| case.verify(&mut Keys::default(), offline::now())))
        }
        Token::Inspect(inspect) => inspect::run(inspect),
    }
}

/// Reads what flags say as the case that a line of a batch says.
fn case(verify: TokenVerify) -> Result<Verify> {
    let file = verify.jwks.context("--jwks names no file")?;
    let jwks = json::value(&offline::read(&file)?).with_context(|| format!("{}", file.display()))?;
    let case = Verify {
        jwks,
        token: offline::given_or_read(verify.token)?.into(),
        alg: Some(verify.algorithms).filter(|named| !named.is_empty()),
        issuer: verify.issuer,
        audience: verify.audience,
        typ: verify.typ,
        at: verify.at,
        no_claims: verify.no_claims,
    };
    // What is wrong with flags and files is no refusal of the token.
    case.keys(&mut Keys::default())?;
    Ok(case)
}
