//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): `HChaCha20` makes a key for each nonce, and what that key seals is
//! `ChaCha20-Poly1305` (RFC 8439), for which ring has the quickest code there is: half the time for the hundred bytes of
//! an entry. Knows nothing of what is sealed.

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// How much longer a text is when it is sealed: the length of its tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// How many bytes a nonce has.
pub(crate) const NONCE_BYTES: usize = 24;

/// The cipher under one key. Its key is wiped from memory when it is dropped; ring does not wipe the one of a nonce, which opens
/// a single text and from which nobody gets back to this one.
pub(crate) struct Cipher(Zeroizing<[u8; 32]>);

/// What was to be opened is not what was sealed here, or more was to be sealed than the cipher takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

impl From<ring::error::Unspecified> for Refused {
    fn from(_: ring::error::Unspecified) -> Self {
        Self
    }
}

impl Cipher {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Seals `text` in place, bound to `data`, and gives its tag. No two texts may have the same nonce.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        data: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Refused> {
        let (key, nonce) = self.under(nonce)?;
        let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(data), text)?;
        sealed.as_ref().try_into().map_err(|_| Refused)
    }

    /// Opens in place what [`Cipher::seal`] sealed, with its tag behind it, and gives the length of the text. What is in
    /// `sealed` afterwards is of no use where it refuses.
    pub(crate) fn open(&self, nonce: &[u8; NONCE_BYTES], data: &[u8], sealed: &mut [u8]) -> Result<usize, Refused> {
        let (key, nonce) = self.under(nonce)?;
        Ok(key.open_in_place(nonce, Aad::from(data), sealed)?.len())
    }

    /// The key that the first part of a nonce makes, and the nonce that the rest of it is under that key.
    fn under(&self, nonce: &[u8; NONCE_BYTES]) -> Result<(LessSafeKey, Nonce), Refused> {
        let (front, rest) = nonce.split_first_chunk::<16>().ok_or(Refused)?;
        let key = Zeroizing::new(hchacha::<R20>((&*self.0).into(), front.into()).0);
        let mut short = [0; 12];
        short.split_at_mut(4).1.copy_from_slice(rest);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice())?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// Goal: this is the cipher that the formats name, and not one like it. Method: the example of the draft's appendix
    /// A.3.1; every byte of it changed is refused.
    #[test]
    fn it_is_the_cipher_of_the_draft() {
        let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal");
        let key = bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let nonce = bytes("404142434445464748494a4b4c4d4e4f5051525354555657");
        let data = bytes("50515253c0c1c2c3c4c5c6c7");
        let text: &[u8] = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
            future, sunscreen would be it.";
        let expected = bytes(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39",
            "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52e",
            "c0875924c1c7987947deafd8780acf49",
        ));
        let cipher = Cipher::new(key.try_into().expect("32 bytes"));
        let nonce = nonce.try_into().expect("24 bytes");
        let mut sealed = text.to_vec();
        let tag = cipher.seal(&nonce, &data, &mut sealed).expect("sealed");
        sealed.extend_from_slice(&tag);
        assert_eq!(HEXLOWER.encode(&sealed), HEXLOWER.encode(&expected));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(cipher.open(&nonce, &data, &mut changed), Err(Refused), "byte {place}");
        }
        assert_eq!(cipher.open(&nonce, &data[1..], &mut sealed.clone()), Err(Refused), "other data");
        assert_eq!(cipher.open(&nonce, &data, &mut sealed), Ok(text.len()));
        assert!(sealed.starts_with(text));
        assert_eq!(cipher.open(&nonce, &data, &mut []), Err(Refused), "nothing at all");
    }
}
