//! The `Authorization` header: `L402 <macaroon>{,<macaroon>}:<preimage>`, scheme `L402` or `LSAT` in any case. The preimage
//! may be missing: some payers never learn it.

use super::macaroon::Macaroon;
use super::refusal::Refusal;
use crate::payment::Preimage;

/// What a client shows for one payment: macaroons, any one of which may be good, and the preimage.
#[derive(Debug)]
pub struct Credential {
    /// Each macaroon as it parsed; one that does not spoils none beside it.
    pub macaroons: Vec<Result<Macaroon, Refusal>>,
    /// The proof that it was paid; `None` where there is none, or 64 zeros in its place: then its wallet must say so.
    pub preimage: Option<Preimage>,
}

impl Credential {
    /// Reads what stands after the scheme (L402: macaroons, a colon, the preimage). Whoever has no preimage may leave out
    /// the colon too, as clients of ngx_l402 do.
    ///
    /// # Errors
    /// [`Refusal::MalformedCredential`] or [`Refusal::MalformedPreimage`]. A macaroon that cannot be read is not one: it
    /// stands among the others as what it is.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (macaroons, preimage) = text.split_once(':').unwrap_or((text, ""));
        let has_colon = macaroons.len() < text.len();
        let macaroons: Vec<&str> = macaroons.split(',').map(|one| one.trim_matches(' ')).collect();
        if macaroons.len() > MAX_MACAROONS || macaroons.iter().any(|one| one.is_empty()) {
            return Err(Refusal::MalformedCredential);
        }
        let preimage = match preimage.trim_matches(' ') {
            "" => None,
            digits => Some(Preimage::from_hex(digits).ok_or(Refusal::MalformedPreimage)?),
        };
        let preimage = preimage.filter(|preimage| !preimage.is_zero());
        let parse = |one: &str| Macaroon::parse(one).map_err(Refusal::MalformedMacaroon);
        let macaroons: Vec<_> = macaroons.into_iter().map(parse).collect();
        // Without a colon anything could stand there.
        if !has_colon && macaroons.iter().any(Result::is_err) {
            return Err(Refusal::MalformedCredential);
        }
        Ok(Self { macaroons, preimage })
    }
}

/// An `Authorization` header split into ours and others'. Header lines sent twice arrive joined by commas, and so do the
/// macaroons of one credential: a new member begins where a word is followed by a space.
#[derive(Debug, Default)]
pub struct Authorization<'a> {
    l402: Vec<&'a str>,
    others: Vec<&'a str>,
    too_large: bool,
}

impl<'a> Authorization<'a> {
    /// Splits a header of any size and content; nothing is judged here.
    pub fn split(header: &'a str) -> Self {
        let mut split = Self { too_large: header.len() > MAX_HEADER_BYTES, ..Self::default() };
        for member in members(header) {
            if is_l402(member) { split.l402.push(member) } else { split.others.push(member) }
        }
        split
    }

    /// The L402 and LSAT credentials, in order. Empty where the client shows none, whatever other schemes it sends.
    pub fn credentials(&self) -> Vec<Result<Credential, Refusal>> {
        if self.too_large && !self.l402.is_empty() {
            return vec![Err(Refusal::CredentialTooLarge)];
        }
        let parse = |member: &&str| match member.get(SCHEME_LENGTH..).and_then(|rest| rest.strip_prefix(' '))
        {
            Some(rest) => Credential::parse(rest),
            None => Err(Refusal::MalformedCredential),
        };
        self.l402.iter().map(parse).collect()
    }

    /// The header without the L402 and LSAT members: what the origin may see. `None` where nothing is left.
    pub fn others(&self) -> Option<String> {
        (!self.others.is_empty()).then(|| self.others.join(", "))
    }
}

/// The L402 and LSAT members of a header that is split as `Authorization` is.
pub(super) fn l402_members(header: &str) -> impl Iterator<Item = &str> {
    members(header).into_iter().filter(|member| is_l402(member))
}

/// Splits at commas outside quotes, and glues to the member before it whatever does not begin with `<scheme> `. A quote
/// that is never closed quotes nothing: it would hide a credential from us and show it to the origin.
fn members(header: &str) -> Vec<&str> {
    let starts = member_starts(header, true).or_else(|| member_starts(header, false)).unwrap_or_default();
    let ends = starts.iter().skip(1).map(|start| start.saturating_sub(1)).chain([header.len()]);
    let pieces = starts.iter().zip(ends).filter_map(|(start, end)| header.get(*start..end));
    pieces.map(|piece| piece.trim_matches([' ', '\t', ','])).filter(|piece| !piece.is_empty()).collect()
}

/// Where members begin; `None` where a quote stays open.
fn member_starts(header: &str, with_quotes: bool) -> Option<Vec<usize>> {
    let mut starts = vec![0];
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in header.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if with_quotes => quoted = !quoted,
            b',' if !quoted && begins_member(header.get(at.saturating_add(1)..).unwrap_or_default()) => {
                starts.push(at.saturating_add(1));
            }
            _ => {}
        }
    }
    (!quoted).then_some(starts)
}

/// Whether a new member begins here: a word that is our scheme, or any word before a space that no colon follows.
fn begins_member(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    if is_l402(rest) {
        return true;
    }
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c));
    match word {
        // No scheme is as long as a macaroon.
        Some(end) if (1..=MAX_SCHEME_LENGTH).contains(&end) => {
            let after = rest.get(end..).unwrap_or_default();
            let value = after.trim_start_matches(' ');
            value.len() < after.len() && !value.is_empty() && !value.starts_with([':', ',', '='])
        }
        _ => false,
    }
}

/// Whether the member's scheme is `L402` or `LSAT`: that word, and then its end, a space, a tab or a comma.
fn is_l402(member: &str) -> bool {
    let Some((scheme, rest)) = member.split_at_checked(SCHEME_LENGTH) else { return false };
    let ours = scheme.eq_ignore_ascii_case("L402") || scheme.eq_ignore_ascii_case("LSAT");
    ours && (rest.is_empty() || rest.starts_with([' ', '\t', ',']))
}

const SCHEME_LENGTH: usize = 4;
const MAX_MACAROONS: usize = 4;
const MAX_SCHEME_LENGTH: usize = 32;
const MAX_HEADER_BYTES: usize = 8192;
