//! Keys that stand in where an assertion means none, so that a signature is verified whoever is named.
//!
//! They are nobody's: what was made by one of them proves nothing all the same ([`super::private_key_jwt`]).

use std::sync::LazyLock;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::{JwkSet, PublicKey};

/// One key for each algorithm. Their private parts were thrown away.
const KEYS: &str = r#"{"keys":[
{"kty":"EC","crv":"P-256","x":"G-oJw0OV7uBXa-A1AfUVvSF2P7y678rV9Ro8zfELcIQ","y":"uWZyoyv2z4uxdbjwsuqbwAx5fWLREMIKzan7ZJzECzM"},
{"kty":"EC","crv":"P-384","x":"hZXJHEs-wkgtBRgam93lTPYpPlj8OkZNWgPR9Jo8pJ8xqjydJzx3jm7u2YdxtEjr","y":"WhzZtkuH6OX_fI0wnTuoTHN3ggEK5Q35HVoL-6gmINuihhZj-2nIsFEzqD0-UkJV"},
{"kty":"EC","crv":"P-521","x":"AYyjGWsDrBx8ErIEhssOO6NQVOOpTjMvxID6kqG2QxtFtjX_2c0MXkeYFFGikNBeWtPeGziw9b65RxeLytCemBiZ","y":"AXMbf_4ktVGdsRP_1C3fE7M5Dp7dCb_lj81TCcYDii2EBObjh-pjuAnp4Kw3Bq-5D0Tnbtv-up7C406UE8gKH_c8"},
{"kty":"OKP","crv":"Ed25519","x":"o82ig2M0wduq8q8q8xJxH34sKexRL6AY_t3_lZ64kUM"},
{"kty":"RSA","e":"AQAB","n":"0GPXYMV9RYJ-GvjC_F0ynUm1CxSlYVhaDVwcrQP7t3gIJgG7G0p21YAguPxySvjhL-Rti7MNkH9yC7iHj_QoYlABfXaL07YfSIpm4QZ0PlwrE96Wc8cBg5QmcIFRhzZtsCvMVZjS6i67WvTamd7EKsc_npC15_weiSjSWJ7fl5shIztbb5yP1dea6lli2PePVEjFyavDN1bMT19PfrmVHrKaOkgUrWstPGUqfZUDt8Ga3eFTFfkZlBYWYhhx9YNoDtUNVeB7BWdqekVvSJYZN4Zu3WFO81K7l5Tb5v5gBX_JHKCdFSFDcQEaa5nDPA6Ji4AO47yuNF3PArQfYVhOJw"}
]}"#;

static DECOYS: LazyLock<Option<JwkSet>> =
    LazyLock::new(|| JwkSet::parse(KEYS.as_bytes(), SignatureAlgorithm::ALL).ok());

/// Returns the key of an algorithm that is nobody's.
pub(super) fn decoy(algorithm: SignatureAlgorithm) -> Option<&'static PublicKey> {
    DECOYS.as_ref()?.find(None, algorithm).ok().map(|key| &**key)
}

#[cfg(test)]
mod tests {
    use countersign_jose::algorithm::SignatureAlgorithm;

    use super::decoy;

    #[test]
    fn every_algorithm_has_a_key_that_is_nobodys() {
        for &algorithm in SignatureAlgorithm::ALL {
            assert_eq!(decoy(algorithm).unwrap().algorithm(), algorithm);
        }
    }
}
