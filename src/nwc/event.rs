//! Events of Nostr (NIP-01): their JSON, their ID and their signature.

use serde::Serialize;

use super::keys::{PublicKey, Signer};
use crate::strict_json::{FromJson, Json};
use crate::{crypto, hex};

/// A signed event. An event that was parsed is not verified: see [`Event::is_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: [u8; 32],
    /// The public key of the author.
    pub author: [u8; 32],
    /// In Unix seconds.
    pub created_at: u64,
    pub kind: u16,
    /// The name of a tag and its values.
    pub tags: Vec<Vec<String>>,
    pub content: String,
    pub signature: [u8; 64],
}

/// What an author signs.
pub struct Draft {
    /// In Unix seconds.
    pub created_at: u64,
    pub kind: u16,
    pub tags: Vec<Vec<String>>,
    pub content: String,
}

impl Event {
    /// Signs an event. Returns `None` only if [`Signer::sign`] does.
    pub fn sign(draft: Draft, signer: &Signer, random: &[u8; 32]) -> Option<Self> {
        let Draft { created_at, kind, tags, content } = draft;
        let author = signer.public_key().to_bytes();
        let mut event = Self { id: [0; 32], author, created_at, kind, tags, content, signature: [0; 64] };
        event.id = event.computed_id();
        event.signature = signer.sign(&event.id, random)?;
        Some(event)
    }

    /// Whether this author has signed the event, and nothing was changed in it.
    pub fn is_by(&self, author: &PublicKey) -> bool {
        self.author == author.to_bytes()
            && self.id == self.computed_id()
            && author.verifies(&self.id, &self.signature)
    }

    /// Returns the first value of each tag with this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.tags.iter().filter_map(move |tag| match tag.as_slice() {
            [known, value, ..] if known == name => Some(value.as_str()),
            _ => None,
        })
    }

    pub fn to_json(&self) -> String {
        let json = EventJson {
            id: hex::encode(&self.id),
            pubkey: hex::encode(&self.author),
            created_at: self.created_at,
            kind: self.kind,
            tags: &self.tags,
            content: &self.content,
            sig: hex::encode(&self.signature),
        };
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Returns the SHA-256 digest of the event's fields as JSON without white space.
    ///
    /// NIP-01 wants seven characters escaped and every other one as it is. Like other implementations, serde_json also
    /// escapes the other control characters. If the author did not, the ID differs, and the event is refused.
    fn computed_id(&self) -> [u8; 32] {
        let author = hex::encode(&self.author);
        let fields = (0_u8, author, self.created_at, self.kind, &self.tags, &self.content);
        crypto::sha256(serde_json::to_string(&fields).unwrap_or_default().as_bytes())
    }
}

impl FromJson for Event {
    fn from_json(json: &Json) -> Option<Self> {
        let text = |key| json.get(key)?.as_str();
        Some(Self {
            id: hex::decode_32(text("id")?)?,
            author: hex::decode_32(text("pubkey")?)?,
            created_at: json.number("created_at")?,
            kind: u16::try_from(json.number("kind")?).ok()?,
            tags: json.get("tags")?.as_array()?.iter().map(tag).collect::<Option<_>>()?,
            content: text("content")?.to_owned(),
            signature: hex::decode(text("sig")?)?.try_into().ok()?,
        })
    }
}

#[derive(Serialize)]
struct EventJson<'a> {
    id: String,
    pubkey: String,
    created_at: u64,
    kind: u16,
    tags: &'a [Vec<String>],
    content: &'a str,
    sig: String,
}

fn tag(json: &Json) -> Option<Vec<String>> {
    json.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}
