//! What a signature costs by itself: `cargo bench --bench signatures` writes a line for each algorithm, in microseconds.
//! The limit underneath whatever is built on it; `bench/tokens.py` prints it beside what the gateway takes.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement tells what the clock says"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_jose::algorithm::SignatureAlgorithm::{EdDsa, Es256, Rs256};
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws::{Compact, sign};

/// Long enough for a mean that repeats within some percent.
const TIME: Duration = Duration::from_millis(500);

/// A payload of the size of an access token's.
const CLAIMS: [u8; 300] = [b'a'; 300];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for algorithm in [Es256, EdDsa, Rs256] {
        let key = SigningKey::generate(algorithm)?;
        let text = sign(&key, "at+jwt", &CLAIMS)?;
        let signing = mean(|| black_box(sign(&key, "at+jwt", &CLAIMS)).is_ok());
        let message = Compact::parse(&text, text.len())?;
        let verifying = mean(|| black_box(message.is_signed_by(key.public())).is_ok());
        println!("{} sign {signing:.1} verify {verifying:.1}", algorithm.as_str());
    }
    Ok(())
}

/// Returns how long `work` takes, in microseconds; what fails takes no time.
fn mean(mut work: impl FnMut() -> bool) -> f64 {
    let (begun, mut times) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIME {
        if !work() {
            return 0.0;
        }
        times += 1;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}
