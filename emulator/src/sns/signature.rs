//! The signatures of notifications, which clients check as they check those of SNS.
//!
//! SNS documents them under "Verifying the signatures of Amazon SNS messages". Key and certificate are part of this
//! program, so that a signature shows that a client's check works, and nothing else.

use std::sync::LazyLock;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use num_bigint::BigUint;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The certificate, in PEM.
pub(crate) const CERTIFICATE: &str = include_str!("signature/certificate.pem");
/// The path at which the server has it.
pub(crate) const CERTIFICATE_PATH: &str = "/SimpleNotificationService-00000000000000000000000000000000.pem";

/// The length of the key and of a signature.
const BYTES: usize = 256;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::read(include_str!("signature/key.txt")));

/// `SignatureVersion`: the hash under a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureVersion {
    /// `1`: SHA-1.
    One,
    /// `2`: SHA-256.
    Two,
}

impl SignatureVersion {
    /// Parses `1` or `2`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "1" => Some(Self::One),
            "2" => Some(Self::Two),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }

    /// The hash of a text behind the name of its algorithm, in the encoding of PKCS #1.
    fn digest_info(self, text: &str) -> Vec<u8> {
        const SHA1: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
        const SHA256: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
        match self {
            Self::One => [SHA1, &Sha1::digest(text)].concat(),
            Self::Two => [SHA256, &Sha256::digest(text)].concat(),
        }
    }

    /// The signature of a text (RSA, PKCS #1 v1.5) in base64.
    pub(super) fn sign(self, text: &str) -> String {
        let digest = self.digest_info(text);
        let padding = vec![0xff; BYTES - digest.len() - 3];
        let padded = [&[0, 1], padding.as_slice(), &[0], &digest].concat();
        let signature = KEY.apply(&BigUint::from_bytes_be(&padded)).to_bytes_be();
        let zeros = vec![0; BYTES - signature.len()];
        BASE64_STANDARD.encode([zeros, signature].concat())
    }
}

/// The text that is signed: the names and values of these fields of a notification, a line for each.
pub(super) fn signed_text<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let present = fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?)));
    present.collect()
}

/// A private key in the form for the Chinese remainder theorem.
struct SigningKey {
    primes: [BigUint; 2],
    exponents: [BigUint; 2],
    coefficient: BigUint,
}

impl SigningKey {
    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut numbers = lines.filter_map(|line| BigUint::parse_bytes(line.as_bytes(), 16));
        let mut next = || numbers.next().unwrap_or_default();
        let (primes, exponents) = ([next(), next()], [next(), next()]);
        Self { primes, exponents, coefficient: next() }
    }

    fn apply(&self, number: &BigUint) -> BigUint {
        let [first, second] = &self.primes;
        let by_first = number.modpow(&self.exponents[0], first);
        let by_second = number.modpow(&self.exponents[1], second);
        let difference = by_first + first - &by_second % first;
        (difference * &self.coefficient % first) * second + by_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signatures of a text by the key, made with OpenSSL.
    const SIGNATURES: [(&str, &str); 2] = [
        (
            "1",
            "jjP9wiSWP7WhFCkVQ8stuqphReYiSGbP5OmIpKI9AxIXW7GineYnEAhwBU5mTRYcAu+aa2AobRyPP8c/zWpOJxwnPgVWLPDzu62hWHYA\
             EZG5IMcvSSvNxARo5dNtKV+Z6g/rQfrPI6WtfQNgcRXvsAivG8JYqK/lVMdLwgnLZwc3gb89WODB1ZSjeKVIagXUNf9wRn+7sgRTJ+xa\
             8MdngdXhr15rk/uAtQKAO/yX1GaJk77b1MjXADgmt3CwHxk4tkHneru+KaiaVzKKz3t2Qsdl6aI7Z583Zy+COjRDhzrqhZF9Y6JqE39l\
             akEfimRv4N2hjD5u08c8DBTdrkMWwA==",
        ),
        (
            "2",
            "L2um0YoUNZjdEoMlEYzn6USfzDL4AUO/X1tveJNmjY2VeWZo91w6AiI31zzcICKqIWzH2nuTffJar5K7PTiSV5pDGcthcFHkHCAH/llX\
             BQZz5o8wKIF3o+1YgO2X5YIx/sQiVuTb/waiLS6YSFQDXQQdRI8lBuB3oFiH+uCELy4qdR+gzGUc2LTxtLiIeIk44CXcIQ8GgMVQIzt3\
             xvTxdJHhy08r+wKf1SY6upjinbn32KUkxtW4Gxzz2jBZ4adoVxbYBnKaWdD19jEVOjzwEpk1IQqtXSSW38GKAYCPdd/kvdutIyNwSkTa\
             8gvTYaY9T09C3MBLrrfh6lnebes16g==",
        ),
    ];

    #[test]
    fn a_signature_of_each_version_is_that_of_openssl() {
        let text =
            signed_text([("Message", Some("ahoy")), ("Subject", None), ("Type", Some("Notification"))]);
        for (version, expected) in SIGNATURES {
            let parsed = SignatureVersion::parse(version).unwrap();
            assert_eq!((parsed.as_str(), parsed.sign(&text).as_str()), (version, expected));
        }
        assert_eq!(SignatureVersion::parse("3"), None);
    }

    #[test]
    fn the_certificate_has_the_key() {
        let lines = CERTIFICATE.lines().filter(|line| !line.starts_with("-----"));
        let certificate = BASE64_STANDARD.decode(lines.collect::<String>()).unwrap();
        let [first, second] = &KEY.primes;
        let modulus = (first * second).to_bytes_be();
        assert!(certificate.windows(modulus.len()).any(|window| window == modulus));
    }
}
