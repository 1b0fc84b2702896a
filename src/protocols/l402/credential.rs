//! Credentials in the `Authorization` header: `L402 <macaroon>{,<macaroon>}:<preimage>`. The scheme is `L402` or
//! `LSAT`, in upper or lower case.
//!
//! The preimage may be missing, since some wallets do not show it to the payer. This module only parses a credential;
//! the module `verify` decides whether the credential is valid.

use super::macaroon::{Macaroon, Signature};
use super::refusal::Refusal;
use crate::http::header;
use crate::keys::Keys;
use crate::payment::Preimage;

/// One credential: macaroons and the preimage of their payment. One valid macaroon is enough.
#[derive(Debug)]
pub struct Credential {
    /// The macaroons, each parsed on its own: a malformed macaroon does not make the credential malformed.
    pub macaroons: Vec<Result<Macaroon, Refusal>>,
    /// The proof of payment; `None` if the client sent no preimage, or 64 zeros. Without a preimage, the wallet that
    /// created the invoice must confirm the payment.
    pub preimage: Option<Preimage>,
}

impl Credential {
    /// Parses the text after `L402 ` or `LSAT `: macaroons, a colon and the preimage, with or without `0x`. If the preimage is
    /// missing, the colon may be missing too: clients of ngx_l402 leave it out. Others write `undefined`, as `l402` and
    /// `@getalby/lightning-tools` of npm do, or a similar word.
    ///
    /// # Errors
    /// Returns [`Refusal::MalformedCredential`] or [`Refusal::MalformedPreimage`]. The error of a single macaroon is in
    /// [`Credential::macaroons`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (macaroons, preimage) = text.split_once(':').unwrap_or((text, ""));
        let has_colon = macaroons.len() < text.len();
        let macaroons: Vec<&str> = macaroons.split(',').map(|one| one.trim_matches(' ')).collect();
        if macaroons.len() > MAX_MACAROONS || macaroons.iter().any(|one| one.is_empty()) {
            return Err(Refusal::MalformedCredential);
        }
        let preimage = match preimage.trim_matches(' ') {
            missing if MISSING_PREIMAGES.contains(&missing) => None,
            digits => Some(Preimage::from_hex(without_0x(digits)).ok_or(Refusal::MalformedPreimage)?),
        };
        let preimage = preimage.filter(|preimage| !preimage.is_zero());
        let macaroons = macaroons.into_iter().map(Macaroon::parse);
        let macaroons: Vec<_> = macaroons.map(|parsed| parsed.map_err(Refusal::MalformedMacaroon)).collect();
        // Without a colon, a text is a credential only if all of its macaroons are well-formed.
        if !has_colon && macaroons.iter().any(Result::is_err) {
            return Err(Refusal::MalformedCredential);
        }
        Ok(Self { macaroons, preimage })
    }
}

/// The headers besides `Authorization` and `Cookie` that can carry a credential.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtherCarriers<'a> {
    /// `X-Toll-Authorization`, with the grammar of `Authorization`. Clients use it if the origin needs `Authorization`
    /// for itself.
    pub toll_authorization: Option<&'a str>,
    /// `Macaroon` and `Grpc-Metadata-Macaroon`, as Aperture accepts them: a standard macaroon in hexadecimal digits, with
    /// the preimage in a caveat `preimage=<hex>`.
    pub macaroons: [Option<&'a str>; 2],
}

/// The names of the headers in [`OtherCarriers::macaroons`].
pub const MACAROON_HEADERS: [&str; 2] = ["Macaroon", "Grpc-Metadata-Macaroon"];

/// Returns the credentials of a `Macaroon` or `Grpc-Metadata-Macaroon` header: the macaroons that this deployment signed,
/// as far as [`MAX_HEADER_CAVEATS`] allows. If there is none, the header is meant for the origin. The runtime joins
/// repeated header lines with commas.
///
/// Base64 and a `0x` in front of the digits are read too. Otherwise such a credential would reach the origin.
pub fn of_macaroon_header(header: &str, keys: &Keys) -> Vec<Credential> {
    if header.len() > MAX_HEADER_BYTES {
        return Vec::new();
    }
    let macaroons = header.split(',').filter_map(|member| parse_bare(member.trim()));
    let mut caveats = 0_usize;
    let first = macaroons.take_while(|macaroon| is_within_limit(&mut caveats, macaroon));
    let own = first.filter(|macaroon| macaroon.signature(keys) == Signature::Valid);
    own.map(|macaroon| Credential { preimage: preimage_of(&macaroon), macaroons: vec![Ok(macaroon)] })
        .collect()
}

/// Whether a header can carry a macaroon, in any spelling that an origin may take for one of [`MACAROON_HEADERS`].
pub fn is_macaroon_header(name: &str) -> bool {
    MACAROON_HEADERS.iter().any(|known| header::is_same(name, known))
}

/// Whether the value of such a header must not reach the origin: because it contains a macaroon that this deployment
/// signed, with any text around it, or because it is too long to search or has too many macaroons to verify. `caveats` is the
/// number of caveats in such headers before it: all of them share one limit, because a name has hundreds of spellings.
pub fn may_contain_own_macaroon(value: &str, keys: &Keys, caveats: &mut usize) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    let pieces = value.split(|c| !is_base64(c));
    let mut texts =
        pieces.flat_map(|piece| [Some(piece), piece.split_once('=').map(|(_, after)| after)]).flatten();
    let mut is_own = |macaroon: &Macaroon| {
        !is_within_limit(caveats, macaroon) || macaroon.signature(keys) == Signature::Valid
    };
    value.len() > MAX_HEADER_BYTES || texts.any(|text| parse_bare(text).is_some_and(|one| is_own(&one)))
}

/// Parses a macaroon in hexadecimal digits, in base64, or in hexadecimal digits after `0x`.
fn parse_bare(text: &str) -> Option<Macaroon> {
    Macaroon::parse_hex(without_0x(text)).or_else(|| Macaroon::parse(text).ok())
}

fn without_0x(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}

/// Returns the preimage in the last `preimage` caveat, which is the one that counts in Aperture.
fn preimage_of(macaroon: &Macaroon) -> Option<Preimage> {
    let preimages = macaroon.caveats().filter_map(|caveat| caveat.strip_prefix(b"preimage="));
    preimages.last().and_then(|digits| Preimage::from_hex(std::str::from_utf8(digits).ok()?))
}

/// Adds the caveats of a macaroon to those of the macaroons before it in a header. Returns whether the sum is within the
/// limit.
fn is_within_limit(caveats: &mut usize, macaroon: &Macaroon) -> bool {
    *caveats = caveats.saturating_add(macaroon.caveats().count().max(MIN_COUNTED_CAVEATS));
    *caveats <= MAX_HEADER_CAVEATS
}

/// An `Authorization` header, split into two lists: the credentials with the scheme L402 or LSAT, and the credentials
/// with any other scheme.
///
/// The runtime joins repeated header lines with commas, and commas also separate the macaroons of one credential. So a
/// new credential starts only where the text after a comma looks like an authentication scheme, such as `Bearer`.
#[derive(Debug, Default)]
pub struct Authorization<'a> {
    header: &'a str,
    l402: Vec<&'a str>,
    others: Vec<&'a str>,
    is_too_large: bool,
}

impl<'a> Authorization<'a> {
    /// Splits an `Authorization` header. Every header can be split, so there is no error. A header that has more than 8,192 bytes
    /// and may contain a credential is not split: it counts as one L402 credential.
    pub fn split(header: &'a str) -> Self {
        let mut split = Self { header, ..Self::default() };
        if !may_contain_l402(header) {
            return split;
        }
        if header.len() > MAX_HEADER_BYTES {
            return Self { is_too_large: true, l402: vec![header], ..split };
        }
        for member in members(header) {
            // With a quotation mark in front, the credential is malformed, but must not reach the origin either.
            let bare = member.trim_start_matches(['"', '\'']);
            if is_l402(bare) { split.l402.push(bare) } else { split.others.push(member) }
        }
        split
    }

    /// Returns the L402 and LSAT credentials in their order. If the header has more than 8,192 bytes, returns a single
    /// [`Refusal::CredentialTooLarge`] instead of these credentials.
    pub fn credentials(&self) -> Vec<Result<Credential, Refusal>> {
        if self.is_too_large {
            return vec![Err(Refusal::CredentialTooLarge)];
        }
        self.l402.iter().map(|member| parse_member(member)).collect()
    }

    /// Returns the header that the origin gets: without the L402 and LSAT credentials. `None` if no other credential is
    /// left. A header without such credentials is not changed.
    pub fn others(&self) -> Option<String> {
        if self.l402.is_empty() {
            return Some(self.header.to_owned());
        }
        (!self.others.is_empty()).then(|| self.others.join(", "))
    }
}

/// Whether a header may have an L402 or LSAT credential: whether the scheme stands where a credential can begin.
fn may_contain_l402(header: &str) -> bool {
    let mut before = b',';
    header.bytes().enumerate().any(|(at, byte)| {
        let is_start = b", \t\"'".contains(&std::mem::replace(&mut before, byte));
        is_start && byte.eq_ignore_ascii_case(&b'l') && header.get(at..).is_some_and(is_l402)
    })
}

/// Returns the L402 and LSAT challenges of a `WWW-Authenticate` header, which is split like an `Authorization` header.
pub(super) fn l402_members(header: &str) -> impl Iterator<Item = &str> {
    members(header).into_iter().filter(|member| is_l402(member))
}

/// Parses a credential that starts with `L402` or `LSAT`. A doubled scheme counts as one: pyl402 0.1.2 stores the whole
/// value of the header, and adds the scheme again when it reuses the credential.
fn parse_member(member: &str) -> Result<Credential, Refusal> {
    let rest = without_scheme(member).ok_or(Refusal::MalformedCredential)?;
    Credential::parse(without_scheme(rest).filter(|_| is_l402(rest)).unwrap_or(rest))
}

fn without_scheme(member: &str) -> Option<&str> {
    member.get(SCHEME_LENGTH..)?.strip_prefix(' ')
}

/// Splits a header into its credentials or challenges. The header is split at a comma if the comma is not in quotes and
/// [`starts_member`] accepts the text after the comma.
///
/// If a quotation mark is never closed, all quotation marks are ordinary characters. Otherwise a client could hide an
/// L402 credential behind the open quotation mark, and edgetoll would forward the credential to the origin.
fn members(header: &str) -> Vec<&str> {
    let starts = member_starts(header, true).or_else(|| member_starts(header, false)).unwrap_or_default();
    let ends = starts.iter().skip(1).map(|start| start.saturating_sub(1)).chain([header.len()]);
    let pieces = starts.iter().zip(ends).filter_map(|(start, end)| header.get(*start..end));
    pieces.map(|piece| piece.trim_matches([' ', '\t', ','])).filter(|piece| !piece.is_empty()).collect()
}

/// Returns the positions at which credentials or challenges start; `None` if a quotation mark is not closed. If
/// `with_quotes` is not set, quotation marks are ordinary characters.
fn member_starts(header: &str, with_quotes: bool) -> Option<Vec<usize>> {
    let mut starts = vec![0];
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in header.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if with_quotes => quoted = !quoted,
            b',' if !quoted && starts_member(header.get(at.saturating_add(1)..).unwrap_or_default()) => {
                starts.push(at.saturating_add(1));
            }
            _ => {}
        }
    }
    (!quoted).then_some(starts)
}

/// Whether the text after a comma starts a new credential or challenge. It must start in one of two ways:
/// 1. with the scheme `L402` or `LSAT`;
/// 2. with another scheme, a space, and a value whose first character is not `:`, `,` or `=`.
fn starts_member(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t', '"', '\'']);
    if is_l402(rest) {
        return true;
    }
    let scheme_end = rest.find(|c| !is_token(c));
    match scheme_end {
        // A word of more than 32 characters is a macaroon, not a scheme.
        Some(end) if (1..=MAX_SCHEME_LENGTH).contains(&end) => {
            let after = rest.get(end..).unwrap_or_default();
            let value = after.trim_start_matches(' ');
            value.len() < after.len() && !value.is_empty() && !value.starts_with([':', ',', '='])
        }
        _ => false,
    }
}

/// Whether a text starts with the authentication scheme `L402` or `LSAT`, in upper or lower case. The scheme ends at
/// the first character that no scheme can contain. So `L402:x` is a malformed credential of edgetoll, and not a
/// credential for the origin.
fn is_l402(member: &str) -> bool {
    let Some((scheme, rest)) = member.split_at_checked(SCHEME_LENGTH) else { return false };
    let is_scheme = scheme.eq_ignore_ascii_case("L402") || scheme.eq_ignore_ascii_case("LSAT");
    is_scheme && !rest.starts_with(is_token)
}

/// Whether an authentication scheme can contain a character (RFC 9110, 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What clients write in place of a preimage that their wallet did not return.
const MISSING_PREIMAGES: [&str; 4] = ["", "None", "null", "undefined"];
/// The length of `L402` and of `LSAT`.
const SCHEME_LENGTH: usize = 4;
/// Each macaroon costs a verification, so a credential with more macaroons is refused.
const MAX_MACAROONS: usize = 4;
/// The longest word that counts as an authentication scheme. A macaroon is longer.
const MAX_SCHEME_LENGTH: usize = 32;
const MAX_HEADER_BYTES: usize = 8192;
/// Each caveat costs an HMAC for each key, so only the first macaroons of a `Macaroon` header are verified, with this
/// number of caveats together. It is the limit for one macaroon, which has about ten caveats.
const MAX_HEADER_CAVEATS: usize = 100;
/// A macaroon with fewer caveats is counted as one with this number, because each macaroon costs some HMACs too.
const MIN_COUNTED_CAVEATS: usize = 10;
